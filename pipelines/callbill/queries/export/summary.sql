-- A month's bills with the names of accounts, and their sums: what the other sheets add up to.
-- noqa: disable=RF05,RF06
with bills as (
    select m.*
    from billing.monthly_bills as m
    inner join requested
        on
            m.bill_month = requested.bill_month
            and m.owner_uin = coalesce(requested.owner_uin, m.owner_uin)
),

with_sum as (
    select
        false as is_sum,
        owner_uin,
        bill_month,
        product_code,
        calls,
        list_cost,
        discount_amount,
        rated_amount,
        adjustment_amount,
        deducted_amount
    from bills
    union all
    select
        true as is_sum,
        '合计' as owner_uin,
        null as bill_month,
        null as product_code,
        cast(sum(calls) as bigint) as calls,
        sum(list_cost) as list_cost,
        sum(discount_amount) as discount_amount,
        sum(rated_amount) as rated_amount,
        sum(adjustment_amount) as adjustment_amount,
        cast(sum(deducted_amount) as decimal(18, 2)) as deducted_amount
    from bills
)

select
    w.owner_uin as "支付者UIN",
    n.account_name as "账户名称",
    strftime(w.bill_month, '%Y-%m') as "账期",
    p.product_name as "产品名称",
    w.calls as "调用次数",
    w.list_cost as "原价(元)",
    w.discount_amount as "优惠金额(元)",
    w.rated_amount as "优惠后总价(元)",
    w.adjustment_amount as "月度计费精度差异(元)",
    w.deducted_amount as "扣费金额(元)"
from with_sum as w
left join billing.accounts as n on w.owner_uin = n.owner_uin
left join seeds.products as p on w.product_code = p.product_code
order by w.is_sum, w.owner_uin, w.product_code
