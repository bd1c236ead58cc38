{{ config(materialized="incremental") }}

-- What each settlement deducts from an account, at 2 decimals, for the lines rated at 8.
with bill_lines as (
    select * from {{ ref('bill_lines') }}
    where {{ is_due() }}
),

rated as (
    select
        settled_on,
        owner_uin,
        product_code,
        bill_month,
        cast(sum(real_cost) as decimal(38, 8)) as rated_amount
    from bill_lines
    group by settled_on, owner_uin, product_code, bill_month
),

deducted as (
    select
        *,
        {{ deducted_amount('rated_amount') }} as deducted_amount
    from rated
),

settlements as (
    select
        settled_on,
        owner_uin,
        product_code,
        bill_month,
        rated_amount,
        deducted_amount,
        cast(deducted_amount - rated_amount as decimal(38, 8)) as residual_amount
    from deducted
)

select * from settlements
