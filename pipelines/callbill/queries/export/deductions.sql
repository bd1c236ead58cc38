-- What left each account in a month: a row per settlement, and the month's precision adjustment
-- (月度计费精度差异), which moves no money and makes up the difference to the detail.
-- noqa: disable=RF05,RF06
with accounts as (
    select distinct owner_uin from billing.account_ledger
),

deductions as (
    select
        s.owner_uin,
        s.bill_month,
        s.product_code,
        '按量计费日结' as transaction_type,
        s.settled_on,
        deducted_at(s.settled_on) as deducted_at,
        s.rated_amount,
        s.deducted_amount,
        s.residual_amount,
        -- The ledger has no entry of a settlement that deducts nothing. An account without a ledger
        -- has no such split.
        case when accounts.owner_uin is not null then coalesce(l.credit_amount, 0.00) end
            as credit_amount,
        case when accounts.owner_uin is not null then coalesce(l.cash_amount, 0.00) end
            as cash_amount
    from billing.settlements as s
    inner join requested
        on
            s.bill_month = requested.bill_month
            and s.owner_uin = coalesce(requested.owner_uin, s.owner_uin)
    left join billing.account_ledger as l
        on
            s.owner_uin = l.owner_uin
            and l.entry_type = 'deduction'
            and l.reference = concat_ws('/', s.settled_on, s.product_code, s.bill_month)
    left join accounts on s.owner_uin = accounts.owner_uin
),

adjustments as (
    select
        p.owner_uin,
        p.bill_month,
        null::varchar as product_code,
        'billVirtualId' as transaction_type,
        null::date as settled_on,
        null::timestamp as deducted_at,
        p.adjustment_amount as rated_amount,
        0.00::decimal(18, 2) as deducted_amount,
        null::decimal(38, 8) as residual_amount,
        null::decimal(18, 2) as credit_amount,
        null::decimal(18, 2) as cash_amount
    from billing.precision_adjustments as p
    inner join requested
        on
            p.bill_month = requested.bill_month
            and p.owner_uin = coalesce(requested.owner_uin, p.owner_uin)
),

transactions as (
    select * from deductions
    union all
    select * from adjustments
)

select
    t.owner_uin as "支付者UIN",
    strftime(t.bill_month, '%Y-%m') as "账期",
    p.product_name as "产品名称",
    '按量计费' as "计费模式",
    t.transaction_type as "交易类型",
    case
        when t.transaction_type = 'billVirtualId' then '月度计费精度差异'
        else concat_ws('/', t.settled_on, t.product_code, t.bill_month)
    end as "交易ID",
    t.deducted_at as "扣费时间",
    t.rated_amount as "优惠后总价",
    t.deducted_amount as "扣费金额(元)",
    t.residual_amount as "精度差异(元)",
    -t.credit_amount as "赠送账户支出(元)",
    -t.cash_amount as "现金账户支出(元)"
from transactions as t
left join seeds.products as p on t.product_code = p.product_code
order by t.owner_uin, t.deducted_at nulls last, t.product_code
