-- Months and shares of accounts of which a page may say something else now that these dates are
-- settled: bills grew, or more is known of calls, which may even be of another day than before.
-- A month that ended says so of all accounts.
select
    bill_month,
    share_of(owner_uin) as share_number
from billing.settlements
where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
union
select
    date_trunc('month', usage_date) as bill_month,
    share_of(owner_uin) as share_number
from intermediate.int_daily_usage_changes
where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
union
select
    bill_month,
    null as share_number
from billing.precision_adjustments
where
    bill_month + interval 1 month
    between date '{{ settle_from }}' and date '{{ settle_through }}'
