-- Calls that are charged on a due date because the catalogue rates them since: one row per call,
-- with the record that it is charged for and the component that claims it on that date.
--
-- Calls link by their records and by this charge. So a call that is charged late takes in what is
-- delivered within a horizon of the charge, and that is then charged no more.
{% if has_catalogue_news() -%}
with call_records as (
    select * from {{ ref('int_call_records') }}
),

earlier_states as (
    select * from {{ ref('int_earlier_states') }}
),

{{ claims_ctes() }}

events as (
    {{ call_events('call_records', 'earlier_states') }}
),

-- Calls as their records alone make them.
numbered as (
    {{ numbered_calls('events') }}
),

calls as (
    select
        request_key,
        call_no,
        min(settled_on) as first_on,
        max(settled_on) as last_on,
        bool_or(is_state) as has_state,
        min(chargeable_on) as chargeable_on,
        min_by(chargeable_is_rated, settled_on) filter (where chargeable_on is not null)
            as chargeable_is_rated,
        min_by(earliest_action, settled_on) as earliest_action,
        min_by(earliest_usage_date, settled_on) as earliest_usage_date
    from numbered
    group by request_key, call_no
),

candidates as (
    select
        calls.call_no,
        calls.first_on,
        calls.last_on,
        calls.has_state,
        calls.earliest_action,
        calls.earliest_usage_date,
        call_records.*
    from calls
    inner join call_records
        on
            calls.request_key = call_records.request_key
            and calls.chargeable_on = call_records.settled_on
    where not calls.chargeable_is_rated and call_records.is_earliest_chargeable
),

rated as (
    {{ rated_later('candidates') }}
),

first_rated as (
    select *
    from rated
    qualify row_number() over (partition by request_key, call_no order by rated_on) = 1
),

chargeable as (
    select *
    from first_rated
    where
        {{ is_due('rated_on') }}
        and rated_on - usage_date <= {{ var('max_usage_age_days') | int }}
),

-- Void by a date on which the call had records. They are compared with the earliest one, by the
-- components that are claimed on that date.
void_by_events as (
    select
        chargeable.request_key,
        chargeable.call_no
    from chargeable
    inner join numbered
        on
            chargeable.request_key = numbered.request_key
            and chargeable.call_no = numbered.call_no
            and chargeable.rated_on >= numbered.settled_on
    {{ join_claims(
        action_of('chargeable.earliest_action'),
        'chargeable.owner_key',
        'chargeable.earliest_usage_date',
        'numbered.settled_on'
    ) }}
    group by chargeable.request_key, chargeable.call_no
    having
        bool_or(numbered.has_failure or numbered.void_on is not null)
        or min(numbered.first_owner) <> max(numbered.last_owner)
        or coalesce(
            bool_or(
                numbered.first_component <> numbered.last_component
                or numbered.first_component <> coalesce(
                    {{ claimed_component(attributes_of('chargeable.earliest_action')) }}, ''
                )
            ) filter (where not numbered.is_state),
            false
        )
),

-- Void on the date of the charge itself: by the claims of that date its records disagree.
void_by_claims as (
    select distinct
        chargeable.request_key,
        chargeable.call_no
    from chargeable
    inner join call_records
        on
            chargeable.request_key = call_records.request_key
            and call_records.settled_on
            between chargeable.rated_on - {{ dedup_horizon_days() }} and chargeable.rated_on
            and (
                call_records.settled_on between chargeable.first_on and chargeable.last_on
                or (call_records.is_in_state and chargeable.has_state)
            )
    {{ join_claims(
        action_of('call_records.action'),
        'call_records.owner_key',
        'call_records.usage_date',
        'chargeable.rated_on'
    ) }}
    where
        coalesce({{ claimed_component(attributes_of('call_records.action')) }}, '')
        <> chargeable.rated_component
),

charges as (
    select chargeable.*
    from chargeable
    anti join void_by_events
        on
            chargeable.request_key = void_by_events.request_key
            and chargeable.call_no = void_by_events.call_no
    anti join void_by_claims
        on
            chargeable.request_key = void_by_claims.request_key
            and chargeable.call_no = void_by_claims.call_no
),

-- A call that begins within a horizon of the charge of the call before it is a part of that one,
-- and is not charged itself. Then it takes in no other.
followed as (
    select
        calls.request_key,
        calls.call_no,
        coalesce(
            calls.first_on - lag(charges.rated_on) over (
                partition by calls.request_key order by calls.call_no
            ) <= {{ dedup_horizon_days() }},
            false
        ) as may_follow
    from calls
    left join charges
        on calls.request_key = charges.request_key and calls.call_no = charges.call_no
),

in_chains as (
    select
        *,
        count_if(not may_follow) over (
            partition by request_key order by call_no rows unbounded preceding
        ) as chain_no
    from followed
),

heads as (
    select
        request_key,
        call_no
    from in_chains
    qualify row_number() over (partition by request_key, chain_no order by call_no) % 2 = 1
),

waiting_charges as (
    select
        charges.request_id,
        charges.request_key,
        charges.request_hash,
        charges.rated_on as settled_on,
        charges.usage_date,
        charges.called_at,
        charges.owner_uin,
        charges.operate_uin,
        charges.action,
        charges.rated_component as component_code,
        charges.region,
        charges.error_code,
        charges.source_file_id
    from charges
    inner join heads
        on charges.request_key = heads.request_key and charges.call_no = heads.call_no
)
{%- else -%}
with waiting_charges as (
    select
        request_key,
        request_hash,
        settled_on,
        {{ shown_columns() }}
    from {{ ref('int_call_records') }}
    where false
)
{%- endif %}

select * from waiting_charges
