-- Restates which settlements a ledger deducts, on purpose: a control does not trust what it checks.
with deducted as (
    select
        owner_uin,
        reference,
        -amount as amount
    from billing.account_ledger
    where entry_type = 'deduction'
),

settled as (
    select
        owner_uin,
        settled_on || '/' || product_code || '/' || bill_month as reference,
        deducted_amount as amount
    from billing.settlements
    where
        deducted_amount <> 0
        and owner_uin in (select events.owner_uin from staging.stg_account_events as events)
)

select
    coalesce(deducted.owner_uin, settled.owner_uin) as owner_uin,
    coalesce(deducted.reference, settled.reference) as reference,
    deducted.amount as deducted,
    settled.amount as settled
from deducted
full outer join settled
    on
        deducted.owner_uin = settled.owner_uin
        and deducted.reference = settled.reference
where deducted.amount is distinct from settled.amount
