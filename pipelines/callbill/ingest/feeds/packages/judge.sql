{% from 'fields.sql' import plain_date, exact_number with context %}
-- One row per line of a packages file: typed values, and the reason if the line is rejected.
with texts as (
    {{ texts }}
),

typed as (
    select
        source_file_id,
        settlement_floor,
        arrived_on,
        line_number,
        package_id,
        owner_uin,
        component_code,
        calls as calls_text,
        valid_from as valid_from_text,
        valid_to as valid_to_text,
        odd_field,
        {{ exact_number('calls') }} as exact_calls,
        {{ plain_date('valid_from') }} as valid_from,
        {{ plain_date('valid_to') }} as valid_to,
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
        package_id,
        owner_uin,
        component_code,
        try_cast(exact_calls as bigint) as calls,
        valid_from,
        valid_to,
        case
            when odd_field is not null then 'invalid_' || odd_field
            when package_id is null then 'missing_package_id'
            when owner_uin is null then 'missing_owner_uin'
            when component_code is null then 'missing_component_code'
            when calls_text is null then 'missing_calls'
            when
                coalesce(
                    exact_calls < 0
                    or exact_calls <> trunc(exact_calls)
                    or exact_calls >= 1000000000000,
                    true
                )
                then 'invalid_calls'
            when valid_from_text is null then 'missing_valid_from'
            when valid_from is null then 'invalid_valid_from'
            when valid_to_text is null then 'missing_valid_to'
            when valid_to is null then 'invalid_valid_to'
            when valid_to < valid_from then 'valid_to_before_valid_from'
        end as reason,
        fields,
        cleaned
    from typed
)

select * from judged
