{{ config(materialized="view") }}

-- How much of each budget is used. No figure of a bill depends on a budget, and budgets may be
-- edited at any time: a view says it as it is now.
{#- Named without the warehouse, so that a release can take the view along. -#}
{%- set monthly_bills = ref("monthly_bills").include(database=false) %}
{%- set budgets = ref("budgets").include(database=false) %}

with bills as (
    select
        bill_month,
        owner_uin,
        sum(deducted_amount) as deducted_amount
    from {{ monthly_bills }}
    group by bill_month, owner_uin
),

deducted as (
    from bills
    union all
    select
        bill_month,
        'all' as owner_uin,
        sum(deducted_amount) as deducted_amount
    from bills
    group by bill_month
),

months as (
    select distinct bill_month from bills
),

budgets as (
    select
        owner_uin,
        amount,
        cast(bill_month || '-01' as date) as bill_month
    from {{ budgets }}
),

-- A budget without a month holds for each month that has none of its own.
budgets_of_months as (
    select
        months.bill_month,
        budgets.owner_uin,
        budgets.amount
    from months
    inner join budgets on budgets.bill_month is null or months.bill_month = budgets.bill_month
    qualify
        row_number() over (
            partition by months.bill_month, budgets.owner_uin
            order by budgets.bill_month is null
        ) = 1
),

used as (
    select
        budgets.bill_month,
        budgets.owner_uin,
        budgets.amount,
        coalesce(deducted.deducted_amount, 0) as deducted_amount
    from budgets_of_months as budgets
    left join deducted
        on
            budgets.bill_month = deducted.bill_month
            and budgets.owner_uin = deducted.owner_uin
),

budget_status as (
    select
        bill_month,
        owner_uin,
        cast(amount as decimal(18, 2)) as budget_amount,
        cast(deducted_amount as decimal(18, 2)) as deducted_amount,
        -- In cents, which are whole: dividing decimals would give a DOUBLE.
        cast(
            cast(deducted_amount * 100 as hugeint) * 100 // cast(amount * 100 as hugeint) as bigint
        ) as used_percent,
        case
            when deducted_amount >= amount then 'used_up'
            when deducted_amount * 100 >= amount * 80 then 'nearly_used'
            else 'within'
        end as state
    from used
)

select * from budget_status
