-- The packages of accounts with a bill of the month: what was drawn from each in the month, and
-- what it has left as known at the end of the settled dates. Those that the month has nothing to do
-- with are left out.
-- noqa: disable=RF05,RF06
with drawn as (
    select
        l.owner_uin,
        l.component_code,
        l.package_id,
        sum(l.calls) as calls
    from billing.bill_lines as l
    inner join requested on l.bill_month = requested.bill_month
    where l.package_id is not null
    group by all
)

select
    b.owner_uin as "支付者UIN",
    b.package_id as "资源包ID",
    b.component_code as "组件类型",
    c.component_name as "组件名称",
    b.calls as "购买用量",
    b.valid_from as "生效日期",
    -- As everywhere in the vendor's bills, ends are inclusive.
    b.valid_to - 1 as "失效日期",
    cast(coalesce(drawn.calls, 0) as bigint) as "本月抵扣用量",
    b.calls_drawn as "抵扣用量",
    b.calls_given_back as "退回用量",
    b.calls_lost as "过期未退用量",
    b.calls_left as "剩余",
    case when b.is_expired then '是' else '否' end as "已过期"
from billing.package_balances as b
inner join requested on b.owner_uin = coalesce(requested.owner_uin, b.owner_uin)
left join drawn
    on
        b.owner_uin = drawn.owner_uin
        and b.component_code = drawn.component_code
        and b.package_id = drawn.package_id
left join seeds.components as c on b.component_code = c.component_code
where
    drawn.calls is not null
    or (
        b.valid_from < requested.bill_month + interval 1 month
        and b.valid_to > requested.bill_month
        and b.owner_uin in (
            select m.owner_uin
            from billing.monthly_bills as m
            where m.bill_month = requested.bill_month
        )
    )
order by b.owner_uin, b.component_code, b.valid_to, b.package_id
