-- Only of usage dates that the due settlement dates changed: what was settled before was checked
-- then.
with changed as (
    select usage_date
    from intermediate.int_daily_usage_changes
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    union
    select usage_date
    from billing.bill_lines
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
),

used as (
    select
        usage_date,
        owner_uin,
        component_code,
        sum(calls_received) as received,
        sum(calls_billed) as billed,
        sum(calls_failed + calls_unbilled) as others
    from billing.daily_usage
    where usage_date in (select changed.usage_date from changed)
    group by usage_date, owner_uin, component_code
),

lines as (
    select
        usage_date,
        owner_uin,
        component_code,
        sum(calls) as calls
    from billing.bill_lines
    where
        -- A waived call was made and charged all the same.
        waiver_id is null
        and usage_date in (select changed.usage_date from changed)
    group by usage_date, owner_uin, component_code
)

select
    coalesce(used.usage_date, lines.usage_date) as usage_date,
    coalesce(used.owner_uin, lines.owner_uin) as owner_uin,
    coalesce(used.component_code, lines.component_code) as component_code,
    used.received,
    used.billed,
    used.others,
    lines.calls as calls_in_lines
from used
full outer join lines
    on
        used.usage_date = lines.usage_date
        and used.owner_uin = lines.owner_uin
        and used.component_code = lines.component_code
where
    coalesce(used.received, 0) <> coalesce(used.billed + used.others, 0)
    or coalesce(used.billed, 0) <> coalesce(lines.calls, 0)
