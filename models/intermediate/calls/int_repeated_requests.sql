-- Hashes of the request ids that need to be looked at together: those that occur twice among the
-- due records, or that have a record within the horizon before them. `settled_on` is the date of
-- such an earlier record: only those dates need to be read again. All other records are calls of
-- one record, which are decided row by row.
with due as (
    select request_hash
    from {{ ref('stg_call_ids') }}
    where {{ is_due() }} and {{ may_hold_due_records() }}
),

repeated as (
    select request_hash
    from due
    group by request_hash
    having count(*) > 1
),

delivered_again as (
    select distinct
        request_hash,
        settled_on
    from {{ ref('stg_call_ids') }}
    where
        {{ is_within_horizon() }}
        and request_hash in (select due.request_hash from due)
),

repeated_requests as (
    select
        request_hash,
        cast(null as date) as settled_on
    from repeated
    union all
    select
        request_hash,
        settled_on
    from delivered_again
)

select * from repeated_requests
