-- Budgets of the months that were billed now, of which 80 percent or more are used.
with billed_now as (
    select distinct bill_month
    from billing.bill_lines
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
)

select
    budgets.bill_month,
    budgets.owner_uin,
    budgets.budget_amount,
    budgets.deducted_amount,
    budgets.used_percent,
    budgets.state
from billing.budget_status as budgets
inner join billed_now on budgets.bill_month = billed_now.bill_month
where budgets.state <> 'within'
