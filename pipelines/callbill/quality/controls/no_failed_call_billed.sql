-- Restates what a failed record is, on purpose: a control does not trust what it checks.
with failures as (
    select
        request_id,
        settled_on as failed_on
    from raw.call_logs
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and settlement_floor between date '{{ settle_from }}' - 2 and date '{{ settle_through }}'
        and (error_code is not null or http_status not between 200 and 299)
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
    calls.request_id,
    calls.settled_on,
    calls.disposition,
    min(failures.failed_on) as failed_on
from billing.calls
inner join failures on calls.request_id = failures.request_id
where
    calls.settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    and calls.disposition in ('billed', 'duplicate')
    and failures.failed_on between calls.settled_on - {{ horizon_days }} and calls.settled_on
group by calls.request_id, calls.settled_on, calls.disposition
