-- A month's bills of all accounts in one row.
select
    strftime(date '{{ month }}', '%Y-%m') as bill_month,
    count(distinct owner_uin) as accounts,
    cast(sum(calls) as bigint) as calls,
    sum(list_cost) as list_cost,
    sum(discount_amount) as discount_amount,
    sum(rated_amount) as rated_amount,
    sum(adjustment_amount) as adjustment_amount,
    sum(deducted_amount) as deducted_amount
from billing.monthly_bills
where bill_month = date '{{ month }}'
having count(*) > 0
