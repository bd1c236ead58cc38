-- How many rows month_accounts.sql would show of a month, to split its work.
select sum(row_count) as row_count
from (
    select count(*) as row_count
    from billing.bill_lines
    where bill_month = date '{{ month }}'
    union all
    select count(*) as row_count
    from billing.daily_usage
    where usage_date between date '{{ month }}' and last_day(date '{{ month }}')
) as counts
