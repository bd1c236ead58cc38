-- A month's bill in the columns of the vendor's own detail (L3), a row per bill line. Columns that
-- callbill knows nothing of (project, resource, how a line was paid) are empty.
-- noqa: disable=RF05,RF06
select
    l.owner_uin as "支付者UIN",
    l.owner_uin as "使用者UIN",
    l.owner_uin as "操作者UIN",
    l.product_name as "产品名称",
    '按量计费' as "计费模式",
    null::varchar as "项目名称",
    null::varchar as "地域",
    null::varchar as "可用区",
    null::varchar as "国内国际",
    null::varchar as "资源ID",
    null::varchar as "实例名称",
    l.product_name as "子产品名称",
    -- A line that takes calls back is a reversal.
    case when l.calls < 0 then '按量计费冲正' else '按量计费日结' end as "交易类型",
    l.line_id as "订单ID",
    concat_ws('/', l.settled_on, l.product_code, l.bill_month) as "交易ID",
    deducted_at(l.settled_on) as "扣费时间",
    l.usage_date::timestamp as "开始使用时间",
    -- The vendor's ends are inclusive.
    l.usage_date + interval 1 day - interval 1 second as "结束使用时间",
    l.component_code as "组件类型",
    l.component_name as "组件名称",
    l.list_price as "组件刊例价",
    l.contract_price as "组件单价",
    l.price_unit as "组件价格单位",
    -- As the vendor has it, without what packages cover. Those calls are in quantities.sql.
    if(l.package_id is null, l.used_amount, 0) as "组件用量",
    l.used_amount_unit as "组件用量单位",
    null::varchar as "使用时长",
    null::varchar as "时长单位",
    l.list_cost as "组件原价",
    l.discount as "折扣率",
    l.real_cost as "优惠后总价",
    null::decimal(18, 2) as "代金券支出(元)",
    null::decimal(18, 2) as "赠送账户支出(元)",
    null::decimal(18, 2) as "现金账户支出(元)"
from billing.bill_lines as l
inner join requested
    on
        l.bill_month = requested.bill_month
        and l.owner_uin = coalesce(requested.owner_uin, l.owner_uin)
order by l.owner_uin, l.settled_on, l.usage_date, l.line_type, l.line_id
