-- Reports what the models decided: the other controls check that they are right.
select
    action,
    component_code,
    owner_uin,
    sum(calls)::bigint as calls,
    min(usage_date) as first_usage_date,
    max(usage_date) as last_usage_date
from intermediate.int_unbilled_calls
where reason = 'unrated'
group by action, component_code, owner_uin
