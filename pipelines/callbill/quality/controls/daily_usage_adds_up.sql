-- Account by account only of usage dates that the due settlement dates changed: what was settled
-- before was checked then. Of all others the sums of the date, which tell whether some of it was
-- lost since, and cost little.
with sums as (
    select
        usage_date,
        sum(calls_received) as received,
        sum(calls_billed) as billed,
        sum(calls_failed + calls_unbilled) as others,
        0 as calls
    from billing.daily_usage
    group by usage_date
    union all
    select
        usage_date,
        0 as received,
        0 as billed,
        0 as others,
        sum(calls) as calls
    from billing.bill_lines
    where waiver_id is null
    group by usage_date
),

changed as (
    select usage_date
    from intermediate.int_daily_usage_changes
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    union
    select usage_date
    from billing.bill_lines
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    union
    select usage_date
    from sums
    group by usage_date
    having sum(received) <> sum(billed + others) or sum(billed) <> sum(calls)
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
