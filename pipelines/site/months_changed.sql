-- Months of which a page may say something else now that these dates are settled: their bills grew,
-- they ended, or more is known of their calls, which may even be of another day than they were.
select bill_month from billing.settlements
where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
union
select bill_month from billing.precision_adjustments
where
    bill_month + interval 1 month
    between date '{{ settle_from }}' and date '{{ settle_through }}'
union
select date_trunc('month', usage_date) from intermediate.int_daily_usage_changes
where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
