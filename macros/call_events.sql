{#
    What is known of each request id at hand, by settlement date: the records of one date are an event,
    and so is the state that earlier nights left of an id.
#}
{% macro call_events(call_records, earlier_states) -%}
    select
        request_key,
        request_hash,
        settled_on,
        false as is_state,
        cast(sum(copies) as bigint) as records,
        bool_or(is_failure) as has_failure,
        min(owner_key) as first_owner,
        max(owner_key) as last_owner,
        min(coalesce(component_code, '')) as first_component,
        max(coalesce(component_code, '')) as last_component,
        cast(null as date) as void_on,
        max(settled_on) filter (where is_chargeable) as chargeable_on,
        bool_or(is_rated) filter (where is_earliest_chargeable) as chargeable_is_rated,
        -- The record that stands for the call until it is charged, and the one that it is charged for.
        any_value(action) filter (where is_earliest) as earliest_action,
        any_value(usage_date) filter (where is_earliest) as earliest_usage_date,
        any_value(action) filter (where is_earliest_chargeable) as chargeable_action,
        any_value(usage_date) filter (where is_earliest_chargeable) as chargeable_usage_date
    from {{ call_records }}
    where not coalesce(is_in_state, false)
    group by request_key, request_hash, settled_on
    union all by name
    select
        request_key,
        request_hash,
        settled_on,
        true as is_state,
        records,
        has_failure,
        first_owner,
        last_owner,
        first_component,
        last_component,
        void_on,
        chargeable_on,
        case when chargeable_on is not null then chargeable_is_rated end as chargeable_is_rated,
        action as earliest_action,
        usage_date as earliest_usage_date,
        case when chargeable_is_rated then action end as chargeable_action,
        case when chargeable_is_rated then usage_date end as chargeable_usage_date
    from {{ earlier_states }}
{%- endmacro %}

{# Events with the number of their call: one begins where the last date is beyond the horizon. #}
{% macro numbered_calls(events) -%}
    select
        * exclude (days_since_last),
        count_if(coalesce(days_since_last > {{ dedup_horizon_days() }}, true)) over (
            partition by request_key order by settled_on rows unbounded preceding
        ) as call_no
    from (
        select
            *,
            settled_on - lag(settled_on) over (partition by request_key order by settled_on)
                as days_since_last
        from {{ events }}
    ) as gaps
{%- endmacro %}
