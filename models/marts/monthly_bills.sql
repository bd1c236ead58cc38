-- A month's bill of an account and product: from list cost by discount to what was deducted.
with bill_lines as (
    select * from {{ ref('bill_lines') }}
),

settlements as (
    select * from {{ ref('settlements') }}
),

used as (
    select
        bill_month,
        owner_uin,
        product_code,
        sum(calls) as calls,
        sum(list_cost) as list_cost,
        sum(real_cost) as rated_amount
    from bill_lines
    group by bill_month, owner_uin, product_code
),

deducted as (
    select
        bill_month,
        owner_uin,
        product_code,
        sum(deducted_amount) as deducted_amount
    from settlements
    group by bill_month, owner_uin, product_code
),

monthly_bills as (
    select
        used.bill_month,
        used.owner_uin,
        used.product_code,
        cast(used.calls as bigint) as calls,
        cast(used.list_cost as decimal(38, 8)) as list_cost,
        cast(used.list_cost - used.rated_amount as decimal(38, 8)) as discount_amount,
        cast(used.rated_amount as decimal(38, 8)) as rated_amount,
        cast(deducted.deducted_amount - used.rated_amount as decimal(38, 8)) as adjustment_amount,
        cast(deducted.deducted_amount as decimal(18, 2)) as deducted_amount
    from used
    inner join deducted
        on
            used.bill_month = deducted.bill_month
            and used.owner_uin = deducted.owner_uin
            and used.product_code = deducted.product_code
)

select * from monthly_bills
