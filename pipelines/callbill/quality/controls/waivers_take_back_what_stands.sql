-- What waivers take back of an account's calls of a usage date is never more than stands charged.
with lines as (
    select
        owner_uin,
        component_code,
        usage_date,
        sum(calls) filter (where waiver_id is null) as charged,
        -sum(calls) filter (where waiver_id is not null) as waived
    from billing.bill_lines
    group by owner_uin, component_code, usage_date
    having count(waiver_id) > 0
)

select
    owner_uin,
    component_code,
    usage_date,
    charged,
    waived
from lines
where waived < 0 or waived > coalesce(charged, 0)
