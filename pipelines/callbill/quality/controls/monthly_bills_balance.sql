with lines as (
    select
        bill_month,
        owner_uin,
        product_code,
        sum(calls) as calls,
        sum(list_cost) as list_cost,
        sum(real_cost) as rated_amount
    from billing.bill_lines
    group by bill_month, owner_uin, product_code
),

settled as (
    select
        bill_month,
        owner_uin,
        product_code,
        sum(deducted_amount) as deducted_amount
    from billing.settlements
    group by bill_month, owner_uin, product_code
),

lines_and_settled as (
    select
        coalesce(lines.bill_month, settled.bill_month) as bill_month,
        coalesce(lines.owner_uin, settled.owner_uin) as owner_uin,
        coalesce(lines.product_code, settled.product_code) as product_code,
        lines.calls,
        lines.list_cost,
        lines.rated_amount,
        settled.deducted_amount
    from lines
    full outer join settled
        on
            lines.bill_month = settled.bill_month
            and lines.owner_uin = settled.owner_uin
            and lines.product_code = settled.product_code
)

select
    coalesce(lines_and_settled.bill_month, bills.bill_month) as bill_month,
    coalesce(lines_and_settled.owner_uin, bills.owner_uin) as owner_uin,
    coalesce(lines_and_settled.product_code, bills.product_code) as product_code,
    bills.calls,
    bills.list_cost,
    bills.discount_amount,
    bills.rated_amount,
    bills.adjustment_amount,
    bills.deducted_amount
from lines_and_settled
full outer join billing.monthly_bills as bills
    on
        lines_and_settled.bill_month = bills.bill_month
        and lines_and_settled.owner_uin = bills.owner_uin
        and lines_and_settled.product_code = bills.product_code
where
    lines_and_settled.calls is distinct from bills.calls
    or lines_and_settled.list_cost is distinct from bills.list_cost
    or lines_and_settled.rated_amount is distinct from bills.rated_amount
    or lines_and_settled.deducted_amount is distinct from bills.deducted_amount
    or bills.list_cost - bills.discount_amount is distinct from bills.rated_amount
    or bills.rated_amount + bills.adjustment_amount is distinct from bills.deducted_amount
