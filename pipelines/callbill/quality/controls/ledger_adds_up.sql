-- Restates how a ledger runs on, on purpose: a control does not trust what it checks.
with entries as (
    select
        *,
        lag(balance, 1, 0) over (accounts) + credit_amount + cash_amount as balance_due,
        lag(credit, 1, 0) over (accounts) + credit_amount as credit_due,
        lag(available, 1, 0) over (accounts) + amount as available_due,
        row_number() over (accounts) as number_due
    from billing.account_ledger
    window accounts as (partition by owner_uin order by entry_no)
)

select
    owner_uin,
    entry_no,
    entry_type,
    amount,
    credit_amount,
    cash_amount,
    balance,
    available
from entries
where
    entry_no <> number_due
    or balance <> balance_due
    or credit <> credit_due
    or available <> available_due
    or balance - frozen <> available
    or credit < 0
    or frozen < 0
    or (entry_type not in ('block', 'unblock') and credit_amount + cash_amount <> amount)
    or (entry_type in ('block', 'unblock') and (credit_amount <> 0 or cash_amount <> 0))
