{{ config(materialized="incremental") }}

-- Each bill line shared out by the calls behind it: who made them, and where. The shares of a line
-- add up to it, exactly.
with lines as (
    select * from {{ ref('bill_lines') }}
    where {{ is_due() }}
),

charges as (
    select * from {{ ref('int_charges_by_caller') }}
),

-- What a re-rating takes back and charges again: the net calls of the dates before it.
rerated as (
    select distinct
        settled_on,
        owner_uin,
        component_code,
        usage_date
    from lines
    where line_type = 'rerating'
),

callers as (
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        'charge' as kind,
        operate_uin,
        region,
        charged as calls
    from charges
    where {{ is_due() }} and charged <> 0
    union all
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        'reversal' as kind,
        operate_uin,
        region,
        reversed as calls
    from charges
    where {{ is_due() }} and reversed <> 0
    union all
    select
        rerated.settled_on,
        rerated.owner_uin,
        rerated.component_code,
        rerated.usage_date,
        'rerating' as kind,
        charges.operate_uin,
        charges.region,
        sum(charges.charged - charges.reversed) as calls
    from rerated
    inner join charges
        on
            rerated.owner_uin = charges.owner_uin
            and rerated.component_code = charges.component_code
            and rerated.usage_date = charges.usage_date
            and rerated.settled_on > charges.settled_on
    group by
        rerated.settled_on,
        rerated.owner_uin,
        rerated.component_code,
        rerated.usage_date,
        charges.operate_uin,
        charges.region
    having sum(charges.charged - charges.reversed) <> 0
),

weighed as (
    select
        lines.line_id,
        callers.operate_uin,
        callers.region,
        lines.settled_on,
        lines.bill_month,
        lines.usage_date,
        lines.owner_uin,
        lines.component_code,
        lines.line_type,
        sign(lines.calls) as direction,
        cast(callers.calls as hugeint) as calls,
        cast(abs(lines.calls) as hugeint) as line_calls,
        {{ units('lines.list_cost') }} as list_units,
        {{ units('lines.real_cost') }} as real_units
    from lines
    inner join callers
        on
            lines.settled_on = callers.settled_on
            and lines.owner_uin = callers.owner_uin
            and lines.component_code = callers.component_code
            and lines.usage_date = callers.usage_date
            and callers.kind = case lines.line_type
                when 'rerating' then 'rerating'
                when 'correction' then 'reversal'
                else 'charge'
            end
),

shared as (
    select
        *,
        {{ whole_share('list_units', 'calls', 'line_calls') }} as list_share,
        {{ lost_by_share('list_units', 'calls', 'line_calls') }} as list_lost,
        {{ whole_share('real_units', 'calls', 'line_calls') }} as real_share,
        {{ lost_by_share('real_units', 'calls', 'line_calls') }} as real_lost
    from weighed
),

ranked as (
    select
        *,
        list_units - sum(list_share) over (partition by line_id) as list_left,
        real_units - sum(real_share) over (partition by line_id) as real_left,
        row_number() over (
            partition by line_id order by list_lost desc, operate_uin asc, region asc nulls first
        ) as list_rank,
        row_number() over (
            partition by line_id order by real_lost desc, operate_uin asc, region asc nulls first
        ) as real_rank
    from shared
),

cost_allocation as (
    select
        line_id,
        operate_uin,
        region,
        settled_on,
        bill_month,
        usage_date,
        owner_uin,
        component_code,
        line_type,
        cast(direction * calls as bigint) as calls,
        {{ amount_of_units(
            'direction * (list_share + case when list_rank <= list_left then 1 else 0 end)'
        ) }} as list_cost,
        {{ amount_of_units(
            'direction * (real_share + case when real_rank <= real_left then 1 else 0 end)'
        ) }} as real_cost
    from ranked
)

select * from cost_allocation
