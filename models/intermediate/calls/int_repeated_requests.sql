-- Hashes of the request ids that need to be looked at together: those that occur twice among the
-- due records, that have a record or a charge within the horizon before them, or that waited for
-- the catalogue. `settled_on` is the date of such an earlier record: only those dates need to be
-- read again. All other records are calls of one record, which are decided row by row.
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

-- Of these the latest records may lie before the horizon: they were charged when a price was known.
charged_late as (
    select
        request_hash,
        settled_on
    from {{ source('earlier_nights', 'calls_again') }}
    where
        records = 0
        and {{ is_within_horizon(settlement_floor=none) }}
        and request_hash in (select due.request_hash from due)
),

waiting_requests as (
    select * from {{ ref('int_waiting_requests') }}
),

-- A waiting call is looked at with all its records.
earlier_of_waiting as (
    select distinct
        request_hash,
        settled_on
    from {{ ref('stg_call_ids') }}
    where
        {{ is_within_horizon() }}
        and {{ 'true' if has_catalogue_news() else 'false' }}
        and request_hash in (select waiting_requests.request_hash from waiting_requests)
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
    union all
    select
        request_hash,
        settled_on
    from charged_late
    union all
    select
        request_hash,
        settled_on
    from waiting_requests
    union all
    select
        request_hash,
        settled_on
    from earlier_of_waiting
)

select * from repeated_requests
