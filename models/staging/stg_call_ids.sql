-- What finding the records of one call takes: hashes of their ids, and their settlement dates.
-- Nothing else is read, which matters when many days are searched.
with call_logs as (
    select * from {{ source('raw', 'call_logs') }}
),

call_ids as (
    select
        {{ request_hash(cleaned('request_id', 'call_logs.request_id')) }} as request_hash,
        call_logs.settled_on,
        call_logs.settlement_floor
    from call_logs
    {{ join_cleaned('request_id', 'call_logs.request_id') }}
)

select * from call_ids
