-- Months with a bill or with calls, the last first.
with months as (
    select bill_month from billing.settlements
    union all
    select cast(date_trunc('month', usage_date) as date) as bill_month from billing.daily_usage
)

select distinct bill_month
from months
where {{ in_months }}
order by bill_month desc
