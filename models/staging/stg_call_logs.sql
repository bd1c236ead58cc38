-- Every accepted record of a call log, with what it says about its call: whether it failed, which
-- component claims its action on its settlement date, whether it is too old to be charged. Records
-- are matched by request_key and owner_key, their cleaned identifiers.
with call_logs as (
    select * from {{ source('raw', 'call_logs') }}
),

{{ claims_ctes() }}

records as (
    select
        call_logs.request_id,
        {{ cleaned('request_id', 'call_logs.request_id') }} as request_key,
        {{ request_hash(cleaned('request_id', 'call_logs.request_id')) }} as request_hash,
        call_logs.owner_uin,
        {{ cleaned('owner_uin', 'call_logs.owner_uin') }} as owner_key,
        call_logs.operate_uin,
        {{ claimed_component('call_logs.attributes') }} as component_code,
        call_logs.action,
        {{ claim_key('call_logs.action', 'call_logs.attributes') }} as claim_key,
        {{ asked_attributes('call_logs.attributes') }} as asked_attributes,
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
    {{ join_cleaned('request_id', 'call_logs.request_id') }}
    {{ join_cleaned('owner_uin', 'call_logs.owner_uin') }}
    {{ join_claims(
        'call_logs.action',
        cleaned('owner_uin', 'call_logs.owner_uin'),
        'call_logs.usage_date',
        'call_logs.settled_on'
    ) }}
)

select * from records
