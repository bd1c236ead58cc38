{{ config(materialized="view") }}

-- What became of each call, and why, on each settlement date on which it had records.
with calls as (
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
    from {{ ref('int_calls') }}
)

select * from calls
