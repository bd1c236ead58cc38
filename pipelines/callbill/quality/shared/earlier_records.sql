-- Hashes of the ids of due records, and of calls charged without one, that also have records within
-- the horizon before, and the dates on which those were settled. Looking back over the horizon is
-- expensive.
create table checks.earlier_records as
with due as (
    select request_hash
    from checks.due_ids
    union all
    select hash(request_id) as request_hash
    from checks.late_charges
),

earlier_records as (
    select distinct
        hash(request_id) as request_hash,
        settled_on
    from raw.call_logs
    where
        settled_on between date '{{ horizon }}' and date '{{ settle_from }}' - 1
        and settlement_floor < date '{{ settle_from }}'
        and settlement_floor >= date '{{ horizon }}' - 2
        and hash(request_id) in (select due.request_hash from due)
    union
    -- Calls that were charged after their last record.
    select
        request_hash,
        settled_on
    from intermediate.int_calls_again
    where
        settled_on between date '{{ horizon }}' and date '{{ settle_from }}' - 1
        and records = 0
        and request_hash in (select due.request_hash from due)
)

select * from earlier_records
