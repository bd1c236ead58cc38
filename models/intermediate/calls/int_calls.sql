{{ config(materialized="settlement_partitions") }}

-- One row per call and settlement date on which it had records.
with calls_once as (
    select * from {{ ref('int_calls_once') }}
),

calls_again as (
    select * from {{ ref('int_calls_again') }}
    where {{ is_due() }}
),

calls as (
    select
        request_id,
        settled_on,
        usage_date,
        called_at,
        owner_uin,
        operate_uin,
        component_code,
        region,
        error_code,
        records,
        disposition,
        calls_billed,
        source_file_id
    from calls_once
    union all
    select
        request_id,
        settled_on,
        usage_date,
        called_at,
        owner_uin,
        operate_uin,
        component_code,
        region,
        error_code,
        records,
        disposition,
        calls_billed,
        source_file_id
    from calls_again
)

select * from calls
