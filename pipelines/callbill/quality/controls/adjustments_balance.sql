with settled as (
    select
        bill_month,
        owner_uin,
        sum(rated_amount) as rated_amount,
        sum(deducted_amount) as deducted_amount
    from billing.settlements
    group by bill_month, owner_uin
)

select
    coalesce(settled.bill_month, adjustments.bill_month) as bill_month,
    coalesce(settled.owner_uin, adjustments.owner_uin) as owner_uin,
    settled.rated_amount as rated,
    adjustments.adjustment_amount,
    settled.deducted_amount as deducted
from settled
full outer join billing.precision_adjustments as adjustments
    on
        settled.bill_month = adjustments.bill_month
        and settled.owner_uin = adjustments.owner_uin
where
    settled.rated_amount is distinct from adjustments.rated_amount
    or settled.deducted_amount is distinct from adjustments.deducted_amount
    or adjustments.rated_amount + adjustments.adjustment_amount
    is distinct from adjustments.deducted_amount
