-- A month's calls of all accounts in one row.
select
    strftime(date '{{ month }}', '%Y-%m') as usage_month,
    cast(sum(calls_received) as bigint) as calls_received,
    cast(sum(calls_billed) as bigint) as calls_billed,
    cast(sum(calls_failed) as bigint) as calls_failed,
    cast(sum(calls_unbilled) as bigint) as calls_unbilled
from billing.daily_usage
where usage_date between date '{{ month }}' and last_day(date '{{ month }}')
having count(*) > 0
