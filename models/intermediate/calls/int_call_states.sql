{{ config(materialized="view") }}

-- The state of each call with several records, on each settlement date on which it had records.
--
-- The records of one request id and settlement date are an event, and so is what earlier nights
-- left of an id. Events within the horizon of each other are one call. Its state on a date is made
-- of all its events up to that date.
with call_records as (
    select * from {{ ref('int_call_records') }}
),

earlier_states as (
    select * from {{ ref('int_earlier_states') }}
),

events as (
    select
        request_id,
        request_hash,
        settled_on,
        cast(sum(copies) as bigint) as records,
        bool_or(is_failure) as has_failure,
        min(owner_uin) as first_owner,
        max(owner_uin) as last_owner,
        min(coalesce(component_code, '')) as first_component,
        max(coalesce(component_code, '')) as last_component,
        cast(null as date) as void_on,
        max(settled_on) filter (where is_chargeable) as chargeable_on,
        bool_or(is_rated) filter (where is_earliest_chargeable) as chargeable_is_rated
    from call_records
    group by request_id, request_hash, settled_on
    union all by name
    select
        request_id,
        request_hash,
        settled_on,
        records,
        has_failure,
        first_owner,
        last_owner,
        first_component,
        last_component,
        void_on,
        chargeable_on,
        case when chargeable_on is not null then chargeable_is_rated end as chargeable_is_rated
    from earlier_states
),

gaps as (
    select
        *,
        settled_on - lag(settled_on) over (partition by request_id order by settled_on)
            as days_since_last
    from events
),

numbered as (
    select
        *,
        count_if(coalesce(days_since_last > {{ dedup_horizon_days() }}, true)) over (
            partition by request_id order by settled_on rows unbounded preceding
        ) as call_no
    from gaps
),

-- All that is known of a call by each date.
known as (
    select
        request_id,
        request_hash,
        call_no,
        settled_on,
        records,
        void_on,
        min(settled_on) over by_then as started_on,
        bool_or(has_failure) over by_then as has_failure,
        min(first_owner) over by_then as first_owner,
        max(last_owner) over by_then as last_owner,
        min(first_component) over by_then as first_component,
        max(last_component) over by_then as last_component,
        min(chargeable_on) over by_then as chargeable_on,
        -- The first record that can be charged decides whether the call is rated.
        coalesce(first_value(chargeable_is_rated ignore nulls) over by_then, false)
            as chargeable_is_rated
    from numbered
    window by_then as (
        partition by request_id, call_no order by settled_on rows unbounded preceding
    )
),

-- A call is void from the first date by which it has a failure or its records disagree.
voided as (
    select
        * exclude (void_on),
        min(
            case
                when void_on is not null then void_on
                when has_failure then settled_on
                when first_owner <> last_owner then settled_on
                when first_component <> last_component then settled_on
            end
        ) over (
            partition by request_id, call_no order by settled_on rows unbounded preceding
        ) as void_on
    from known
),

-- It is charged on the date of its first chargeable record, unless it is void by that date.
charged as (
    select
        *,
        case
            when chargeable_is_rated and (void_on is null or void_on > chargeable_on)
                then chargeable_on
        end as charged_on
    from voided
),

call_states as (
    select
        request_id,
        request_hash,
        call_no,
        settled_on,
        records,
        -- A charged call shows a record of the date of its charge, any other one of its first date.
        -- What was charged before the earlier state is shown by that state.
        greatest(coalesce(charged_on, started_on), started_on) as shown_on,
        has_failure,
        first_owner,
        last_owner,
        first_component,
        last_component,
        void_on,
        chargeable_on,
        chargeable_is_rated,
        charged_on,
        case
            when void_on is null and charged_on is not null then 'billed'
            when has_failure then 'failed'
            else 'unbilled'
        end as outcome
    from charged
)

select * from call_states
