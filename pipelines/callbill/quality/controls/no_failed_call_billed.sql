-- Restates what a failed record is, on purpose: a control does not trust what it checks. Only the
-- calls that share the hash of their id with a failed record are compared as texts.
with due_failures as (
    select due_ids.request_hash
    from checks.due_ids
    where due_ids.has_failed
),

suspects as materialized (
    select
        request_id,
        settled_on,
        disposition,
        hash(request_id) as request_hash
    from billing.calls
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and disposition in ('billed', 'duplicate')
        and hash(request_id) in (
            select due_failures.request_hash from due_failures
            union all
            select earlier_records.request_hash from checks.earlier_records
        )
),

suspects_of_due_dates as (
    select suspects.request_hash
    from suspects
    where suspects.request_hash in (select due_failures.request_hash from due_failures)
),

failures as (
    select
        request_id,
        settled_on as failed_on
    from raw.call_logs
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and settlement_floor between date '{{ settle_from }}' - 2 and date '{{ settle_through }}'
        and (error_code is not null or http_status not between 200 and 299)
        and hash(request_id) in (
            select suspects_of_due_dates.request_hash from suspects_of_due_dates
        )
    union all
    select
        request_id,
        settled_on as failed_on
    from raw.call_logs
    where
        settled_on in (select earlier_records.settled_on from checks.earlier_records)
        and settlement_floor between date '{{ horizon }}' - 2 and date '{{ settle_from }}' - 1
        and (error_code is not null or http_status not between 200 and 299)
        and hash(request_id) in (select earlier_records.request_hash from checks.earlier_records)
)

select
    suspects.request_id,
    suspects.settled_on,
    suspects.disposition,
    min(failures.failed_on) as failed_on
from suspects
inner join failures on suspects.request_id = failures.request_id
where failures.failed_on between suspects.settled_on - {{ horizon_days }} and suspects.settled_on
group by suspects.request_id, suspects.settled_on, suspects.disposition
