-- Restates what macros/line_id.sql takes for a line's key: line_id is a hash of it.
select
    settled_on,
    owner_uin,
    component_code,
    usage_date,
    line_type,
    list_price,
    discount,
    contract_price,
    tier_from,
    package_id,
    waiver_id,
    count(*) as line_count,
    count(distinct line_id) as line_ids
from billing.bill_lines
where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
group by all
having count(*) > 1
