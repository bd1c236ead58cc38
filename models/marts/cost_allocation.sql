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

{% if has_quantity_prices() %}
-- What waivers take back: shared out by the net calls of the usage date to date.
waived as (
    select distinct
        settled_on,
        owner_uin,
        component_code,
        usage_date
    from lines
    where waiver_id is not null
),
{% endif %}

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
    {% if has_quantity_prices() %}
    union all
    select
        waived.settled_on,
        waived.owner_uin,
        waived.component_code,
        waived.usage_date,
        'waiver' as kind,
        charges.operate_uin,
        charges.region,
        sum(charges.charged - charges.reversed) as calls
    from waived
    inner join charges
        on
            waived.owner_uin = charges.owner_uin
            and waived.component_code = charges.component_code
            and waived.usage_date = charges.usage_date
            and waived.settled_on >= charges.settled_on
    group by
        waived.settled_on,
        waived.owner_uin,
        waived.component_code,
        waived.usage_date,
        charges.operate_uin,
        charges.region
    having sum(charges.charged - charges.reversed) <> 0
    {% endif %}
),

lines_of_kinds as (
    select
        *,
        case
            {% if has_quantity_prices() -%}
            when waiver_id is not null then 'waiver'
            {% endif -%}
            when line_type = 'rerating' then 'rerating'
            when line_type = 'correction' then 'reversal'
            else 'charge'
        end as kind
    from lines
),

{% if has_quantity_prices() %}
-- A line on a step is of a part of the calls behind it. They are shared out too, in whole calls and
-- by who made how many. If nobody's calls stand behind it any more, the account itself has it.
callers_of_lines as (
    select
        lines_of_kinds.line_id,
        coalesce(callers.operate_uin, lines_of_kinds.owner_uin) as operate_uin,
        callers.region,
        cast(coalesce(callers.calls, 1) as hugeint) as weight,
        cast(abs(lines_of_kinds.calls) as hugeint) as line_calls,
        cast(sum(coalesce(callers.calls, 1)) over (
            partition by lines_of_kinds.line_id
        ) as hugeint) as total
    from lines_of_kinds
    left join callers
        on
            lines_of_kinds.settled_on = callers.settled_on
            and lines_of_kinds.owner_uin = callers.owner_uin
            and lines_of_kinds.component_code = callers.component_code
            and lines_of_kinds.usage_date = callers.usage_date
            and lines_of_kinds.kind = callers.kind
),

whole_calls as (
    select
        *,
        {{ whole_share('line_calls', 'weight', 'total') }} as call_share,
        {{ lost_by_share('line_calls', 'weight', 'total') }} as call_lost
    from callers_of_lines
),

ranked_calls as (
    select
        *,
        line_calls - sum(call_share) over (partition by line_id) as calls_left,
        row_number() over (
            partition by line_id order by call_lost desc, operate_uin asc, region asc nulls first
        ) as call_rank
    from whole_calls
),

calls_of_callers as (
    select
        line_id,
        operate_uin,
        region,
        call_share + case when call_rank <= calls_left then 1 else 0 end as calls
    from ranked_calls
),
{% else %}
calls_of_callers as (
    select
        lines_of_kinds.line_id,
        callers.operate_uin,
        callers.region,
        callers.calls
    from lines_of_kinds
    inner join callers
        on
            lines_of_kinds.settled_on = callers.settled_on
            and lines_of_kinds.owner_uin = callers.owner_uin
            and lines_of_kinds.component_code = callers.component_code
            and lines_of_kinds.usage_date = callers.usage_date
            and lines_of_kinds.kind = callers.kind
),
{% endif %}

weighed as (
    select
        lines.line_id,
        calls_of_callers.operate_uin,
        calls_of_callers.region,
        lines.settled_on,
        lines.bill_month,
        lines.usage_date,
        lines.owner_uin,
        lines.component_code,
        lines.line_type,
        sign(lines.calls) as direction,
        cast(calls_of_callers.calls as hugeint) as calls,
        cast(abs(lines.calls) as hugeint) as line_calls,
        {{ units('lines.list_cost') }} as list_units,
        {{ units('lines.real_cost') }} as real_units
    from lines
    inner join calls_of_callers on lines.line_id = calls_of_callers.line_id
    where calls_of_callers.calls > 0
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

-- What is lost adds up to the units that are left, times the calls of the line: rows that lost
-- nothing get none of them. Most lines divide evenly, and have none to give.
ranked as (
    select
        *,
        sum(list_lost) over (partition by line_id) // line_calls as list_left,
        sum(real_lost) over (partition by line_id) // line_calls as real_left,
        row_number() over (
            partition by line_id order by list_lost desc, operate_uin asc, region asc nulls first
        ) as list_rank,
        row_number() over (
            partition by line_id order by real_lost desc, operate_uin asc, region asc nulls first
        ) as real_rank
    from shared
    where list_lost > 0 or real_lost > 0
),

divided as (
    select
        * exclude (list_share, real_share, list_left, real_left, list_rank, real_rank),
        list_share + case when list_rank <= list_left then 1 else 0 end as list_share,
        real_share + case when real_rank <= real_left then 1 else 0 end as real_share
    from ranked
    union all by name
    select * from shared
    where list_lost = 0 and real_lost = 0
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
        {{ amount_of_units('direction * list_share') }} as list_cost,
        {{ amount_of_units('direction * real_share') }} as real_cost
    from divided
)

select * from cost_allocation
