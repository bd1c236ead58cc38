{{ config(materialized="view") }}

-- Each account's months beside the month before, also months without a bill between others.
{#- Named without the warehouse, so that a release can take the view along. -#}
{%- set monthly_bills = ref("monthly_bills").include(database=false) %}

with bills as (
    select * from {{ monthly_bills }}
),

stretches as (
    select
        owner_uin,
        product_code,
        min(bill_month) as first_month,
        max(bill_month) as last_month
    from bills
    group by owner_uin, product_code
),

months as (
    select
        owner_uin,
        product_code,
        cast(unnest(generate_series(first_month, last_month, interval 1 month)) as date)
            as bill_month
    from stretches
),

filled as (
    select
        months.bill_month,
        months.owner_uin,
        months.product_code,
        coalesce(bills.calls, 0) as calls,
        coalesce(bills.rated_amount, 0) as rated_amount,
        coalesce(bills.deducted_amount, 0) as deducted_amount
    from months
    left join bills
        on
            months.bill_month = bills.bill_month
            and months.owner_uin = bills.owner_uin
            and months.product_code = bills.product_code
)

select
    bill_month,
    owner_uin,
    product_code,
    cast(calls as bigint) as calls,
    cast(lag(calls) over by_month as bigint) as previous_calls,
    cast(rated_amount as decimal(38, 8)) as rated_amount,
    cast(lag(rated_amount) over by_month as decimal(38, 8)) as previous_rated_amount,
    cast(deducted_amount as decimal(18, 2)) as deducted_amount,
    cast(lag(deducted_amount) over by_month as decimal(18, 2)) as previous_deducted_amount,
    cast(deducted_amount - lag(deducted_amount) over by_month as decimal(18, 2))
        as deducted_amount_change
from filled
window by_month as (partition by owner_uin, product_code order by bill_month)
