-- Who spent most in a month. The last row is all the others, so that the rows make the sum.
with sums as (
    select
        owner_uin,
        operate_uin,
        sum(calls) as calls,
        sum(real_cost) as real_cost,
        row_number() over (order by sum(real_cost) desc, owner_uin asc, operate_uin asc) as place
    from billing.cost_allocation
    where bill_month = date '{{ month }}'
    group by owner_uin, operate_uin
),

ranked as (
    select
        place,
        owner_uin,
        operate_uin,
        1 as callers,
        calls,
        real_cost
    from sums
    where place <= {{ top_callers }}
    union all
    select
        null as place,
        null as owner_uin,
        null as operate_uin,
        count(*) as callers,
        sum(calls) as calls,
        sum(real_cost) as real_cost
    from sums
    where place > {{ top_callers }}
    having count(*) > 0
)

select
    strftime(date '{{ month }}', '%Y-%m') as bill_month,
    ranked.place,
    ranked.owner_uin,
    owners.account_name as owner_name,
    ranked.operate_uin,
    account_names.account_name,
    ranked.callers,
    cast(ranked.calls as bigint) as calls,
    cast(ranked.real_cost as decimal(38, 8)) as real_cost
from ranked
left join seeds.account_names as owners on ranked.owner_uin = owners.account_uin
left join seeds.account_names as account_names
    on ranked.operate_uin = account_names.account_uin
order by ranked.place asc nulls last
