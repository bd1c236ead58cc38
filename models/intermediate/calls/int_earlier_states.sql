-- The latest state that earlier nights left of each request id at hand. It stands for all records
-- that they had of the id. Where two ids turned out to be one, the state of the charged one counts.
with kept_states as (
    select * from {{ source('earlier_nights', 'calls_again') }}
),

repeated_requests as (
    select * from {{ ref('int_repeated_requests') }}
),

keyed_states as (
    select
        kept_states.request_id,
        kept_states.settled_on,
        kept_states.usage_date,
        kept_states.called_at,
        kept_states.owner_uin,
        kept_states.operate_uin,
        kept_states.action,
        kept_states.component_code,
        kept_states.region,
        kept_states.error_code,
        kept_states.source_file_id,
        kept_states.records,
        kept_states.has_failure,
        kept_states.first_component,
        kept_states.last_component,
        kept_states.void_on,
        kept_states.chargeable_on,
        kept_states.chargeable_is_rated,
        {{ cleaned('request_id', 'kept_states.request_id') }} as request_key,
        {%- if has_cleaned_identifiers() %}
        {{ request_hash(cleaned('request_id', 'kept_states.request_id')) }} as request_hash,
        {%- else %}
        kept_states.request_hash,
        {%- endif %}
        {{ cleaned('first_owner', 'kept_states.first_owner') }} as first_owner,
        {{ cleaned('last_owner', 'kept_states.last_owner') }} as last_owner
    from kept_states
    {{ join_cleaned('request_id', 'kept_states.request_id') }}
    {{ join_cleaned('first_owner', 'kept_states.first_owner') }}
    {{ join_cleaned('last_owner', 'kept_states.last_owner') }}
    where {{ is_within_horizon('kept_states.settled_on', settlement_floor=none) }}
),

-- Other ids are left out before anything is sorted: that keeps a night's memory small.
states_at_hand as (
    select * from keyed_states
    where request_hash in (select repeated_requests.request_hash from repeated_requests)
),

earlier_states as (
    select
        request_key,
        request_hash,
        settled_on,
        {{ shown_columns() }},
        records,
        has_failure,
        first_owner,
        last_owner,
        first_component,
        last_component,
        void_on,
        chargeable_on,
        chargeable_is_rated
    from states_at_hand
    -- Not row_number() = 1: DuckDB 1.5 fails to plan that over the condition on hashes.
    {% set order = (
        '(coalesce(chargeable_is_rated, false) and void_on is null, settled_on, request_id)'
        if has_cleaned_identifiers() else 'settled_on'
    ) -%}
    qualify {{ order }} = max({{ order }}) over (partition by request_key)
)

select * from earlier_states
