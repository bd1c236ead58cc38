-- How many rows account_accounts.sql would show of all accounts, to split its work.
select sum(row_count) as row_count
from (
    select least(count(*), {{ last_entry_count }}) as row_count
    from billing.account_ledger
    group by owner_uin
    union all
    select count(*) as row_count
    from billing.monthly_bills
) as counts
