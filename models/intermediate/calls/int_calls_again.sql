{{ config(materialized="settlement_partitions") }}

-- Calls with several records, or that are charged late: one row per settlement date on which a call
-- had records or was charged, with what became of it by then, and its state. Kept, because its
-- latest row is all that later nights need.
with call_states as (
    select * from {{ ref('int_call_states') }}
),

call_records as (
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

first_list_prices as (
    select * from {{ ref('int_first_list_prices') }}
),

shown_records as (
    select
        request_key,
        settled_on,
        {{ shown_columns() }},
        is_earliest,
        is_earliest_chargeable,
        false as is_charged_late
    from call_records
    where (is_earliest or is_earliest_chargeable) and not coalesce(is_in_state, false)
    union all
    select
        request_key,
        settled_on,
        {{ shown_columns() }},
        true as is_earliest,
        true as is_earliest_chargeable,
        false as is_charged_late
    from earlier_states
    union all
    select
        request_key,
        settled_on,
        {{ shown_columns() }},
        false as is_earliest,
        false as is_earliest_chargeable,
        true as is_charged_late
    from waiting_charges
),

-- A charged call shows the record that it was charged for, any other its earliest.
shown as (
    select
        call_states.*,
        {{ shown_columns('shown_records') }}
    from call_states
    inner join shown_records
        on
            call_states.request_key = shown_records.request_key
            and call_states.shown_on = shown_records.settled_on
            and case
                when call_states.charged_on is null then shown_records.is_earliest
                when call_states.charged_on = call_states.charged_late_on
                    then shown_records.is_charged_late
                else shown_records.is_earliest_chargeable
            end
),

{% if billing_rules() >= 2 %}
-- Its component is that of its charge, and until then the one that claims it on that date. A call
-- of two accounts is looked at as one of the account that it shows.
claimed as (
    select
        shown.* replace (
            case
                when shown.charged_on is null and not shown.is_state
                    then {{ claimed_component(attributes_of('shown.action')) }}
                else shown.component_code
            end as component_code
        )
    from shown
    {{ join_claims(
        action_of('shown.action'),
        'if(shown.first_owner = shown.last_owner, shown.first_owner, shown.owner_uin)',
        'shown.usage_date',
        'shown.settled_on'
    ) }}
),
{% else %}
claimed as (
    select * from shown
),
{% endif %}

with_previous as (
    select
        *,
        lag(usage_date) over by_date as previous_usage_date,
        lag(owner_uin) over by_date as previous_owner_uin,
        lag(operate_uin) over by_date as previous_operate_uin,
        lag(component_code) over by_date as previous_component_code,
        lag(outcome) over by_date as previous_outcome
    from claimed
    window by_date as (partition by request_key, call_no order by settled_on)
),

due_states as (
    select
        with_previous.*,
        first_list_prices.rated_from
    from with_previous
    left join first_list_prices
        on
            with_previous.component_code = first_list_prices.component_code
            and with_previous.settled_on >= first_list_prices.known_from
            and with_previous.settled_on < first_list_prices.known_to
    where {{ is_due('with_previous.settled_on') }}
),

decided as (
    select
        *,
        case
            when void_on = settled_on and charged_on is not null then 'reversed'
            when void_on is not null and has_failure then 'failed'
            when void_on is not null then 'conflict'
            when charged_on = settled_on then 'billed'
            when charged_on is not null then 'duplicate'
            {%- if billing_rules() < 2 %}
            when chargeable_on is not null then 'unrated'
            {%- endif %}
            when rated_from is null or usage_date < rated_from then 'unrated'
            else 'too_old'
        end as disposition
    from due_states
),

calls_again as (
    select
        settled_on,
        {{ shown_columns() }},
        records,
        disposition,
        cast(
            case disposition when 'billed' then 1 when 'reversed' then -1 else 0 end as bigint
        ) as calls_billed,
        request_hash,
        has_failure,
        first_owner,
        last_owner,
        first_component,
        last_component,
        void_on,
        chargeable_on,
        chargeable_is_rated,
        outcome,
        previous_usage_date,
        previous_owner_uin,
        previous_operate_uin,
        previous_component_code,
        previous_outcome
    from decided
)

select * from calls_again
