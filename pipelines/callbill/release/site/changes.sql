-- Months and shares of accounts whose pages may differ now that these dates are settled: bills
-- grew, or more is known of calls, which may even belong to another day than before. When a month
-- ends, its pages say so for all accounts; then the share is null.
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
