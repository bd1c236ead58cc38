-- Months with a bill or with calls, the last first.
select bill_month from billing.settlements
union
select date_trunc('month', usage_date) as bill_month from billing.daily_usage
order by bill_month desc
