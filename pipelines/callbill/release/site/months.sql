-- Months that were billed, or in which calls were made.
select bill_month from billing.settlements
union
select date_trunc('month', usage_date) as bill_month from billing.daily_usage
order by bill_month desc
