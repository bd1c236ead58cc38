{% from 'fields.sql' import instant, is_mangled_number with context %}
-- One row per record of a call log: typed values, and the reason if the record is rejected.
--
-- `texts` has the text of each field as it is in the file (null if empty), `has_error` (whether
-- there is an error object, whatever it contains), `odd_field` (a field whose value has no text of
-- its own), source_file_id, arrived_on, settlement_floor and line_number. Only `texts` differs
-- between the ways of reading. So a line gives the same row whichever way it was read.
with texts as (
    {{ texts }}
),

instants as (
    select
        *,
        case
            when called_at is null then null
            {% for format in time_formats %}
            when regexp_full_match(called_at, '{{ format.pattern }}')
                then {{ format.instant }}
            {% endfor %}
            when true then {{ instant('called_at', naive_timezone) }}
        end as called_ts,
        case
            when http_status = '200' then 200
            when regexp_full_match(http_status, '[+-]?\d{1,9}(\.0*)?')
                then cast(try_cast(http_status as decimal(18, 6)) as integer)
        end as status
    from texts
),

dated as (
    select
        *,
        {{ billing_date }} as usage_date
    from instants
),

typed as (
    select
        source_file_id,
        line_number,
        request_id,
        called_ts as called_at,
        owner_uin,
        coalesce(operate_uin, owner_uin) as operate_uin,
        action,
        region,
        status as http_status,
        error_code,
        try_cast(latency_ms as integer) as latency_ms,
        {{ attributes }} as attributes,
        usage_date,
        -- The settlement date of a record. Nothing else in the warehouse determines it.
        greatest(usage_date + 1, settlement_floor) as settled_on,
        -- A file of history has no floor of its own.
        coalesce(settlement_floor, usage_date + 1) as settlement_floor,
        case
            when odd_field is not null then 'invalid_' || odd_field
            {% if reading_rules >= 2 %}
            -- An attempt that no server answered: the client notes status 0, or its own error.
            when
                request_id is null
                and (
                    status = 0
                    or regexp_matches(error_code, '^(?i:client[._]?(network)?error)')
                )
                then 'never_reached'
            {% endif %}
            when request_id is null then 'missing_request_id'
            when called_at is null then 'missing_called_at'
            when called_ts is null
                then case
                    when regexp_full_match(called_at, '{{ iso_naive }}')
                        then 'called_at_without_offset'
                    else 'invalid_called_at'
                end
            when called_ts < {{ first_instant }} then 'invalid_called_at'
            when owner_uin is null then 'missing_owner_uin'
            when
                {{ is_mangled_number('owner_uin') }}
                then 'invalid_owner_uin'
            when
                {{ is_mangled_number('operate_uin') }}
                then 'invalid_operate_uin'
            when action is null then 'missing_action'
            when status is null and http_status is not null then 'invalid_http_status'
            {% if reading_rules >= 2 %}
            -- A client writes 0 where no answer came.
            when status not between 0 and 999 then 'invalid_http_status'
            {% endif %}
            when error_code is null and (has_error or status is null) then 'unknown_outcome'
            when usage_date > arrived_on + 1 then 'future_timestamp'
        end as reason,
        {{ kept_fields }} as fields,
        {{ cleaned_fields }} as cleaned
    from dated
)

select * from typed
