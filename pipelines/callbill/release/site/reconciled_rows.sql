-- How many rows reconciled_accounts.sql would show of a month, to split its work.
select count(*) as row_count
from billing.reconciliation
where bill_month = date '{{ month }}'
