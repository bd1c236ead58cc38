{%- from "in_order.j2" import in_order -%}
-- A month of the accounts of some shares: the bill of the month, the usage in it, and what later
-- bills charge or take back of that usage.
with callers as (
    select
        owner_uin,
        operate_uin,
        region,
        component_code,
        cast(sum(calls) as bigint) as calls,
        cast(sum(list_cost) as decimal(38, 8)) as list_cost,
        cast(sum(real_cost) as decimal(38, 8)) as real_cost
    from billing.cost_allocation
    where bill_month = date '{{ month }}' and {{ in_shares }}
    group by owner_uin, operate_uin, region, component_code
),

-- Where the calls of a line stand, if its price depends on how much.
lines as (
    select
        *,
        nullif(
            concat_ws(
                '; ',
                'step ' || tier_from,
                'package ' || package_id,
                'waiver ' || waiver_id || ': ' || waiver_reason
            ),
            ''
        ) as stands
    from billing.bill_lines
    where bill_month = date '{{ month }}' and {{ in_shares }}
),

later as (
    select
        owner_uin,
        bill_month,
        line_type,
        cast(sum(calls) as bigint) as calls,
        cast(coalesce(sum(calls) filter (where calls > 0), 0) as bigint) as calls_charged,
        cast(sum(real_cost) as decimal(38, 8)) as real_cost
    from billing.bill_lines
    where
        usage_date between date '{{ month }}' and last_day(date '{{ month }}')
        and bill_month > date '{{ month }}'
        and {{ in_shares }}
    group by owner_uin, bill_month, line_type
),

parts as (
    select
        owner_uin,
        'lines' as kind,
        {{ in_order(lines, ["settled_on", "usage_date", "line_type", "line_id"]) }} as shown
    from lines
    group by owner_uin
    union all
    select
        owner_uin,
        'settlements' as kind,
        {{ in_order(settlements, ["settled_on", "product_code"]) }} as shown
    from billing.settlements
    where bill_month = date '{{ month }}' and {{ in_shares }}
    group by owner_uin
    union all
    select
        owner_uin,
        'adjustment' as kind,
        {{ in_order(adjustment, []) }} as shown
    from billing.precision_adjustments
    where bill_month = date '{{ month }}' and {{ in_shares }}
    group by owner_uin
    union all
    select
        owner_uin,
        'callers' as kind,
        {{ in_order(callers, ["operate_uin", "region", "component_code"]) }} as shown
    from callers
    group by owner_uin
    union all
    select
        owner_uin,
        'usage' as kind,
        {{ in_order(usage, ["usage_date", "operate_uin", "component_code"]) }} as shown
    from billing.daily_usage
    where
        usage_date between date '{{ month }}' and last_day(date '{{ month }}')
        and {{ in_shares }}
    group by owner_uin
    union all
    select
        owner_uin,
        'later' as kind,
        {{ in_order(later, ["bill_month", "line_type"]) }} as shown
    from later
    group by owner_uin
)

{% include "by_share.sql" %}
