{{ config(materialized="view") }}

-- The state of each call with several records, or that is charged late, on each settlement date on
-- which it had records or was charged.
--
-- Events within the horizon of each other are one call. Its state on a date is made of all its
-- events up to that date.
with call_records as (
    select * from {{ ref('int_call_records') }}
),

earlier_states as (
    select * from {{ ref('int_earlier_states') }}
),

waiting_charges as (
    select * from {{ ref('int_waiting_charges') }}
),

{% if billing_rules() >= 2 %}
{{ claims_ctes() }}
{% endif %}

events as (
    {{ call_events('call_records', 'earlier_states') }}
),

-- A call is charged late on a date on which it has records, or on one of its own.
events_and_charges as (
    select
        events.*,
        waiting_charges.settled_on as charged_late_on,
        waiting_charges.action as late_action,
        waiting_charges.usage_date as late_usage_date
    from events
    left join waiting_charges
        on
            events.request_key = waiting_charges.request_key
            and events.settled_on = waiting_charges.settled_on
    union all by name
    select
        waiting_charges.request_key,
        waiting_charges.request_hash,
        waiting_charges.settled_on,
        false as is_state,
        cast(0 as bigint) as records,
        false as has_failure,
        waiting_charges.settled_on as charged_late_on,
        waiting_charges.action as late_action,
        waiting_charges.usage_date as late_usage_date
    from waiting_charges
    anti join events
        on
            waiting_charges.request_key = events.request_key
            and waiting_charges.settled_on = events.settled_on
),

numbered as (
    {{ numbered_calls('events_and_charges') }}
),

-- All that is known of a call by each date.
known as (
    select
        request_key,
        request_hash,
        call_no,
        settled_on,
        is_state,
        records,
        void_on,
        first_component as own_first_component,
        last_component as own_last_component,
        min(settled_on) over by_then as started_on,
        bool_or(has_failure) over by_then as has_failure,
        min(first_owner) over by_then as first_owner,
        max(last_owner) over by_then as last_owner,
        min(first_component) over by_then as first_component,
        max(last_component) over by_then as last_component,
        min(chargeable_on) over by_then as chargeable_on,
        -- The first record that can be charged decides whether the call is rated.
        coalesce(first_value(chargeable_is_rated ignore nulls) over by_then, false)
            as chargeable_is_rated,
        min(charged_late_on) over by_then as charged_late_on,
        first_value(earliest_action ignore nulls) over by_then as earliest_action,
        first_value(earliest_usage_date ignore nulls) over by_then as earliest_usage_date,
        coalesce(
            first_value(late_action ignore nulls) over by_then,
            first_value(chargeable_action ignore nulls) over by_then
        ) as chargeable_action,
        coalesce(
            first_value(late_usage_date ignore nulls) over by_then,
            first_value(chargeable_usage_date ignore nulls) over by_then
        ) as chargeable_usage_date
    from numbered
    window by_then as (
        partition by request_key, call_no order by settled_on rows unbounded preceding
    )
),

{% if billing_rules() >= 2 %}
-- What the records of a date are compared with: the record that the call was charged for before, or
-- its earliest one.
compared as (
    select
        *,
        chargeable_is_rated and chargeable_on < settled_on or charged_late_on < settled_on
            as is_charged_before,
        case when coalesce(is_charged_before, false) then chargeable_action else earliest_action end
            as standing_action,
        case
            when coalesce(is_charged_before, false) then chargeable_usage_date
            else earliest_usage_date
        end as standing_usage_date
    from known
),

-- By the components that are claimed on that date: a claim that moves voids nothing.
disagreed as (
    select
        compared.*,
        not compared.is_state
        and (
            compared.own_first_component <> compared.own_last_component
            or compared.own_first_component <> coalesce(
                {{ claimed_component(attributes_of('compared.standing_action')) }}, ''
            )
        ) as disagrees_on_component
    from compared
    {{ join_claims(
        action_of('compared.standing_action'),
        'compared.first_owner',
        'compared.standing_usage_date',
        'compared.settled_on'
    ) }}
),
{%- else -%}
-- By the components that were claimed on the dates of the records.
disagreed as (
    select
        *,
        first_component <> last_component as disagrees_on_component
    from known
),
{%- endif %}

-- A call is void from the first date by which it has a failure or its records disagree.
voided as (
    select
        * exclude (void_on),
        min(
            case
                when void_on is not null then void_on
                when has_failure then settled_on
                when first_owner <> last_owner then settled_on
                when disagrees_on_component then settled_on
            end
        ) over (
            partition by request_key, call_no order by settled_on rows unbounded preceding
        ) as void_on
    from disagreed
),

-- It is charged on the date of its first chargeable record, unless it is void by that date, or
-- later, when the catalogue rates it.
charged as (
    select
        *,
        case
            when chargeable_is_rated and (void_on is null or void_on > chargeable_on)
                then chargeable_on
            else charged_late_on
        end as charged_on
    from voided
),

call_states as (
    select
        request_key,
        request_hash,
        call_no,
        settled_on,
        is_state,
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
        -- To later nights a late charge is one on a date of its own.
        coalesce(charged_late_on, chargeable_on) as chargeable_on,
        chargeable_is_rated or charged_late_on is not null as chargeable_is_rated,
        charged_on,
        charged_late_on,
        case
            when void_on is null and charged_on is not null then 'billed'
            when has_failure then 'failed'
            else 'unbilled'
        end as outcome
    from charged
)

select * from call_states
