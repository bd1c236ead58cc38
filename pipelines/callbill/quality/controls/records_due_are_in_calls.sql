with due as (
    select
        settled_on,
        count(*) as records
    from raw.call_logs
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and settlement_floor between date '{{ settle_from }}' - 2 and date '{{ settle_through }}'
    group by settled_on
),

in_calls as (
    select
        settled_on,
        sum(records) as records
    from billing.calls
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    group by settled_on
)

select
    coalesce(due.settled_on, in_calls.settled_on) as settled_on,
    due.records as records_due,
    in_calls.records as records_in_calls
from due
full outer join in_calls on due.settled_on = in_calls.settled_on
-- A date can have calls that are charged late, without a record of their own.
where coalesce(due.records, 0) <> coalesce(in_calls.records, 0)
