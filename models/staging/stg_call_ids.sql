-- What it takes to find the records of one call: hashes of their ids, and when they are settled.
-- Nothing else is read for it, which matters where many days are looked through.
with call_logs as (
    select * from {{ source('raw', 'call_logs') }}
),

call_ids as (
    select
        {{ request_hash('request_id') }} as request_hash,
        settled_on,
        settlement_floor
    from call_logs
)

select * from call_ids
