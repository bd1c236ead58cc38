{{ config(materialized="incremental") }}

-- What a settlement date changes in the counts of calls by usage date and account. A call seen for
-- the first time is added in its state. A call seen before leaves its old state for the new one.
with calls as (
    select * from {{ ref('int_calls') }}
    where {{ is_due() }}
),

calls_again as (
    select * from {{ ref('int_calls_again') }}
    where {{ is_due() }}
),

changes as (
    select
        settled_on,
        usage_date,
        owner_uin,
        operate_uin,
        component_code,
        case
            when disposition in ('billed', 'duplicate') then 'billed'
            when disposition = 'failed' then 'failed'
            else 'unbilled'
        end as outcome,
        count(*) as calls
    from calls
    -- A reversed call counts as failed only if a failure was the reason.
    where disposition <> 'reversed'
    group by all
    union all
    select
        settled_on,
        usage_date,
        owner_uin,
        operate_uin,
        component_code,
        outcome,
        count(*) as calls
    from calls_again
    where disposition = 'reversed'
    group by all
    union all
    select
        settled_on,
        previous_usage_date as usage_date,
        previous_owner_uin as owner_uin,
        previous_operate_uin as operate_uin,
        previous_component_code as component_code,
        previous_outcome as outcome,
        -count(*) as calls
    from calls_again
    where previous_outcome is not null
    group by all
),

daily_usage_changes as (
    select
        settled_on,
        usage_date,
        owner_uin,
        operate_uin,
        component_code,
        cast(sum(calls) as bigint) as calls_received,
        cast(sum(case when outcome = 'billed' then calls else 0 end) as bigint) as calls_billed,
        cast(sum(case when outcome = 'failed' then calls else 0 end) as bigint) as calls_failed,
        cast(sum(case when outcome = 'unbilled' then calls else 0 end) as bigint) as calls_unbilled
    from changes
    group by settled_on, usage_date, owner_uin, operate_uin, component_code
)

select * from daily_usage_changes
