-- Every accepted record of a call log, with what it says about its call: whether it failed, which
-- component claims its action on its settlement date, whether it is too old to be charged. Records
-- are matched by request_key and owner_key, their cleaned identifiers.
with call_logs as (
    select * from {{ source('raw', 'call_logs') }}
),

component_claims as (
    select * from {{ ref('stg_component_claims') }}
),

records as (
    select
        call_logs.request_id,
        {{ cleaned('request_id', 'call_logs.request_id') }} as request_key,
        {{ request_hash(cleaned('request_id', 'call_logs.request_id')) }} as request_hash,
        call_logs.owner_uin,
        {{ cleaned('owner_uin', 'call_logs.owner_uin') }} as owner_key,
        call_logs.operate_uin,
        component_claims.component_code,
        call_logs.action,
        call_logs.region,
        call_logs.error_code,
        call_logs.http_status,
        call_logs.source_file_id,
        call_logs.called_at,
        call_logs.usage_date,
        call_logs.settled_on,
        call_logs.settlement_floor,
        -- Tencent answers errors with HTTP 200, so the error code decides; a record with neither
        -- code nor status was rejected at load.
        (
            call_logs.error_code is not null
            or call_logs.http_status < 200
            or call_logs.http_status > 299
        ) as is_failure,
        call_logs.settled_on - call_logs.usage_date
        > {{ var('max_usage_age_days') | int }} as is_too_old
    from call_logs
    left join component_claims
        on
            call_logs.action = component_claims.action
            and call_logs.usage_date >= component_claims.effective_from
            and call_logs.usage_date < component_claims.effective_to
            and call_logs.settled_on >= component_claims.known_from
            and call_logs.settled_on < component_claims.known_to
    {{ join_cleaned('request_id', 'call_logs.request_id') }}
    {{ join_cleaned('owner_uin', 'call_logs.owner_uin') }}
)

select * from records
