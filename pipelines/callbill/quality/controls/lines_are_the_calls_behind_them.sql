with behind as (
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        sum(calls_billed) as calls
    from billing.calls
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and calls_billed <> 0
    group by settled_on, owner_uin, component_code, usage_date
),

in_lines as (
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        sum(calls) as calls
    from billing.bill_lines
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        -- Waivers are another control's.
        and waiver_id is null
    group by settled_on, owner_uin, component_code, usage_date
)

select
    coalesce(behind.settled_on, in_lines.settled_on) as settled_on,
    coalesce(behind.owner_uin, in_lines.owner_uin) as owner_uin,
    coalesce(behind.component_code, in_lines.component_code) as component_code,
    coalesce(behind.usage_date, in_lines.usage_date) as usage_date,
    coalesce(behind.calls, 0) as calls_behind,
    coalesce(in_lines.calls, 0) as calls_in_lines
from behind
full outer join in_lines
    on
        behind.settled_on = in_lines.settled_on
        and behind.owner_uin = in_lines.owner_uin
        and behind.component_code = in_lines.component_code
        and behind.usage_date = in_lines.usage_date
where coalesce(behind.calls, 0) <> coalesce(in_lines.calls, 0)
