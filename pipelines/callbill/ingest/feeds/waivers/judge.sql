{% from 'fields.sql' import plain_date, exact_number with context %}
-- One row per line of a waivers file: typed values, and the reason if the line is rejected.
with texts as (
    {{ texts }}
),

typed as (
    select
        source_file_id,
        settlement_floor,
        arrived_on,
        line_number,
        waiver_id,
        owner_uin,
        usage_date as usage_date_text,
        component_code,
        calls as calls_text,
        request_id,
        trim(reason) as waiver_reason,
        odd_field,
        {{ exact_number('calls') }} as exact_calls,
        {{ plain_date('usage_date') }} as usage_date,
        {{ kept_fields }} as fields,
        {{ cleaned_fields }} as cleaned
    from texts
),

judged as (
    select
        source_file_id,
        settlement_floor,
        arrived_on,
        line_number,
        waiver_id,
        owner_uin,
        usage_date,
        component_code,
        try_cast(exact_calls as bigint) as calls,
        request_id,
        waiver_reason,
        case
            when odd_field is not null then 'invalid_' || odd_field
            when waiver_id is null then 'missing_waiver_id'
            when owner_uin is null then 'missing_owner_uin'
            when usage_date_text is null then 'missing_usage_date'
            when usage_date is null then 'invalid_usage_date'
            when component_code is null then 'missing_component_code'
            when calls_text is null and request_id is null then 'missing_calls'
            when calls_text is not null and request_id is not null
                then 'both_calls_and_request_id'
            when
                calls_text is not null
                and coalesce(
                    exact_calls < 0
                    or exact_calls <> trunc(exact_calls)
                    or exact_calls >= 1000000000000,
                    true
                )
                then 'invalid_calls'
            when coalesce(waiver_reason, '') = '' then 'missing_reason'
        end as reason,
        fields,
        cleaned
    from typed
)

select * from judged
