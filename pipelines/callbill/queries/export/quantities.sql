-- Of a month's bill lines on a step, out of a package or under a waiver: which it is. The detail
-- has no columns for it.
-- noqa: disable=RF05,RF06
select
    l.owner_uin as "支付者UIN",
    l.line_id as "订单ID",
    l.usage_date as "使用日期",
    l.component_code as "组件类型",
    l.component_name as "组件名称",
    l.calls as "调用次数",
    l.tier_from as "阶梯起点",
    l.package_id as "资源包ID",
    case when l.package_id is not null then l.calls end as "抵扣用量",
    l.waiver_id as "减免单号",
    l.waiver_reason as "减免原因"
from billing.bill_lines as l
inner join requested
    on
        l.bill_month = requested.bill_month
        and l.owner_uin = coalesce(requested.owner_uin, l.owner_uin)
where coalesce(l.tier_from::varchar, l.package_id, l.waiver_id) is not null
order by l.owner_uin, l.settled_on, l.usage_date, l.line_type, l.line_id
