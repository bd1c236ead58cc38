-- Reports what the models decided: the other controls check that they are right.
-- An action comes with the attributes that claims of it ask for.
with unrated as (
    select
        concat(action, ' (' || attributes || ')') as action,
        component_code,
        owner_uin,
        calls,
        usage_date
    from intermediate.int_unbilled_calls
    where reason = 'unrated'
)

select
    action,
    component_code,
    owner_uin,
    sum(calls)::bigint as calls,
    min(usage_date) as first_usage_date,
    max(usage_date) as last_usage_date
from unrated
group by action, component_code, owner_uin
