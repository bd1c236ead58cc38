-- Reports what the models decided: the other controls check that they are right.
select
    usage_date,
    settled_on,
    owner_uin,
    action,
    sum(calls)::bigint as calls,
    sum(unbilled_cost) as unbilled_cost
from intermediate.int_unbilled_calls
where reason = 'too_old'
group by usage_date, settled_on, owner_uin, action
