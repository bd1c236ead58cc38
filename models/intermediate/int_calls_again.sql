{{ config(materialized="incremental") }}

-- Calls with several records, one row per settlement date on which a call had records, with the
-- state that the call is in by then. The latest row of a call is all that later nights need of it.
--
-- Read from top to bottom: the records and the states that earlier nights left become events, one
-- per request id and settlement date; events that follow within the horizon form a call; a call's
-- state on a date is made of all its events up to then.
with repeated_requests as (
    select * from {{ ref('int_repeated_requests') }}
),

first_list_prices as (
    select * from {{ ref('int_first_list_prices') }}
),

-- The latest state of each id that an earlier night left one of.
states as (
    {% if is_incremental() %}
    select
        *,
        row_number() over (partition by request_id order by settled_on desc) as rank_from_latest
    from {{ this }}
    where
        {{ is_within_horizon(settlement_floor=none) }}
        and request_hash in (select repeated_requests.request_hash from repeated_requests)
    {% else %}
    -- The same columns and no row: nothing was ever settled.
    select
        *,
        cast(null as bigint) as records,
        false as has_failure,
        owner_uin as first_owner,
        owner_uin as last_owner,
        component_code as first_component,
        component_code as last_component,
        settled_on as void_on,
        settled_on as chargeable_on,
        false as chargeable_is_rated,
        1 as rank_from_latest
    from {{ ref('stg_call_logs') }}
    where false
    {% endif %}
),

earlier_states as (
    select *
    from states
    where rank_from_latest = 1
),

records as (
    select
        *,
        true as is_due_record
    from {{ ref('stg_call_logs') }}
    where
        {{ is_due() }} and {{ may_hold_due_records() }}
        and request_hash in (select repeated_requests.request_hash from repeated_requests)
    union all
    select
        *,
        false as is_due_record
    from {{ ref('stg_call_logs') }}
    where
        {{ is_within_horizon() }}
        and settled_on in (select repeated_requests.settled_on from repeated_requests)
        and request_hash in (select repeated_requests.request_hash from repeated_requests)
),

-- Of ids that have a state its records are not needed again. Equal records are counted and kept
-- once: a sender that repeats one without end must not fill the memory with it.
relevant_records as (
    select
        records.*,
        count(*) as copies
    from records
    left join earlier_states on records.request_id = earlier_states.request_id
    where records.is_due_record or earlier_states.request_id is null
    group by all
),

judged_records as (
    select
        relevant_records.*,
        not relevant_records.is_failure and not relevant_records.is_too_old as is_chargeable,
        coalesce(relevant_records.usage_date >= first_list_prices.rated_from, false) as is_rated
    from relevant_records
    left join first_list_prices
        on
            relevant_records.component_code = first_list_prices.component_code
            and relevant_records.settled_on >= first_list_prices.known_from
            and relevant_records.settled_on < first_list_prices.known_to
),

-- A call's earliest record, and its earliest that can be charged, in an order in which no two
-- different records are equal.
ranked_records as (
    select
        *,
        row_number() over (
            partition by request_id, settled_on
            order by {{ earliest_record_first() }}
        ) as rank_of_all,
        row_number() over (
            partition by request_id, settled_on, is_chargeable
            order by {{ earliest_record_first() }}
        ) as rank_of_kind
    from judged_records
),

record_events as (
    select
        request_id,
        request_hash,
        settled_on,
        is_due_record as is_due_event,
        cast(sum(copies) as bigint) as records,
        bool_or(is_failure) as has_failure,
        min(owner_uin) as first_owner,
        max(owner_uin) as last_owner,
        min(coalesce(component_code, '')) as first_component,
        max(coalesce(component_code, '')) as last_component,
        cast(null as date) as void_on,
        max(case when is_chargeable then settled_on end) as chargeable_on,
        bool_or(is_chargeable and rank_of_kind = 1 and is_rated) as chargeable_is_rated
    from ranked_records
    group by request_id, request_hash, settled_on, is_due_record
),

events as (
    select * from record_events
    union all
    select
        request_id,
        request_hash,
        settled_on,
        false as is_due_event,
        records,
        has_failure,
        first_owner,
        last_owner,
        first_component,
        last_component,
        void_on,
        chargeable_on,
        chargeable_is_rated
    from earlier_states
),

kinds as (
    select false as is_of_chargeable
    union all
    select true as is_of_chargeable
),

-- What an event says of its call, once for the call's earliest record and once for the earliest
-- that can be charged. A state stands for both: which of them it shows is settled.
faces as (
    select
        request_id,
        settled_on,
        false as is_of_chargeable,
        {{ face_columns() }}
    from ranked_records
    where rank_of_all = 1
    union all
    select
        request_id,
        settled_on,
        true as is_of_chargeable,
        {{ face_columns() }}
    from ranked_records
    where rank_of_kind = 1 and is_chargeable
    union all
    select
        earlier_states.request_id,
        earlier_states.settled_on,
        kinds.is_of_chargeable,
        {{ face_columns('earlier_states') }}
    from earlier_states
    cross join kinds
),

gaps as (
    select
        *,
        settled_on - lag(settled_on) over (partition by request_id order by settled_on)
            as days_since_last
    from events
),

-- Events of one request id that lie within the horizon of each other are one call.
numbered as (
    select
        *,
        sum(case when days_since_last <= {{ dedup_horizon_days() }} then 0 else 1 end) over (
            partition by request_id
            order by settled_on
            rows between unbounded preceding and current row
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
        is_due_event,
        records,
        void_on,
        chargeable_on,
        -- Only the first event that can be charged decides whether the call is rated.
        chargeable_is_rated
        and min(chargeable_on) over (
            partition by request_id, call_no
            order by settled_on
            rows between unbounded preceding and 1 preceding
        ) is null as chargeable_is_rated,
        min(settled_on) over by_then as started_on,
        bool_or(has_failure) over by_then as has_failure,
        min(first_owner) over by_then as first_owner,
        max(last_owner) over by_then as last_owner,
        min(first_component) over by_then as first_component,
        max(last_component) over by_then as last_component
    from numbered
    window by_then as (
        partition by request_id, call_no
        order by settled_on
        rows between unbounded preceding and current row
    )
),

-- A call is void from the first date by which it has a failure or its records disagree.
voided as (
    select
        request_id,
        request_hash,
        call_no,
        settled_on,
        is_due_event,
        records,
        started_on,
        has_failure,
        first_owner,
        last_owner,
        first_component,
        last_component,
        min(
            coalesce(
                void_on,
                case
                    when
                        has_failure
                        or first_owner <> last_owner
                        or first_component <> last_component
                        then settled_on
                end
            )
        ) over by_then as void_on,
        min(chargeable_on) over by_then as chargeable_on,
        bool_or(chargeable_is_rated) over by_then as chargeable_is_rated
    from known
    window by_then as (
        partition by request_id, call_no
        order by settled_on
        rows between unbounded preceding and current row
    )
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

-- A charged call takes after the record that it was charged for, any other after its earliest.
faced as (
    select
        charged.*,
        {{ face_columns('faces') }},
        case
            when charged.void_on is null and charged.charged_on is not null then 'billed'
            when charged.has_failure then 'failed'
            else 'unbilled'
        end as outcome
    from charged
    inner join faces
        on
            charged.request_id = faces.request_id
            -- What was charged before the earlier state is shown by that state.
            and greatest(coalesce(charged.charged_on, charged.started_on), charged.started_on)
            = faces.settled_on
            and (charged.charged_on is not null) = faces.is_of_chargeable
),

with_previous as (
    select
        *,
        lag(usage_date) over by_date as previous_usage_date,
        lag(owner_uin) over by_date as previous_owner_uin,
        lag(operate_uin) over by_date as previous_operate_uin,
        lag(component_code) over by_date as previous_component_code,
        lag(outcome) over by_date as previous_outcome
    from faced
    window by_date as (partition by request_id, call_no order by settled_on)
),

calls_again as (
    select
        with_previous.request_id,
        with_previous.settled_on,
        with_previous.usage_date,
        with_previous.called_at,
        with_previous.owner_uin,
        with_previous.operate_uin,
        with_previous.component_code,
        with_previous.region,
        with_previous.error_code,
        with_previous.records,
        case
            when
                with_previous.void_on = with_previous.settled_on
                and with_previous.charged_on is not null
                then 'reversed'
            when with_previous.void_on is not null and with_previous.has_failure then 'failed'
            when with_previous.void_on is not null then 'conflict'
            when with_previous.charged_on = with_previous.settled_on then 'billed'
            when with_previous.charged_on is not null then 'duplicate'
            when
                with_previous.chargeable_on is not null
                or not coalesce(
                    with_previous.usage_date >= first_list_prices.rated_from, false
                )
                then 'unrated'
            else 'too_old'
        end as disposition,
        cast(
            case
                when with_previous.void_on = with_previous.settled_on
                    then case when with_previous.charged_on is not null then -1 else 0 end
                when with_previous.void_on is not null then 0
                when with_previous.charged_on = with_previous.settled_on then 1
                else 0
            end as bigint
        ) as calls_billed,
        with_previous.source_file_id,
        with_previous.request_hash,
        with_previous.has_failure,
        with_previous.first_owner,
        with_previous.last_owner,
        with_previous.first_component,
        with_previous.last_component,
        with_previous.void_on,
        with_previous.chargeable_on,
        with_previous.chargeable_is_rated,
        with_previous.outcome,
        with_previous.previous_usage_date,
        with_previous.previous_owner_uin,
        with_previous.previous_operate_uin,
        with_previous.previous_component_code,
        with_previous.previous_outcome
    from with_previous
    left join first_list_prices
        on
            with_previous.component_code = first_list_prices.component_code
            and with_previous.settled_on >= first_list_prices.known_from
            and with_previous.settled_on < first_list_prices.known_to
    where with_previous.is_due_event
)

select * from calls_again
