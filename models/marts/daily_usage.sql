-- How many calls each account made on each usage date, each call once and in its final state.
with changes as (
    select * from {{ ref('int_daily_usage_changes') }}
),

daily_usage as (
    select
        usage_date,
        owner_uin,
        operate_uin,
        component_code,
        cast(sum(calls_received) as bigint) as calls_received,
        cast(sum(calls_billed) as bigint) as calls_billed,
        cast(sum(calls_failed) as bigint) as calls_failed,
        cast(sum(calls_unbilled) as bigint) as calls_unbilled
    from changes
    group by usage_date, owner_uin, operate_uin, component_code
    -- A call can move to another date or account when more of its records become known.
    having sum(calls_received) <> 0
)

select * from daily_usage
