-- Restates the rounding of macros/money.sql on purpose: a control does not trust what it checks.
-- Sums are whole numbers of 10^-8 CNY (`_e8`); one fen is 10^6 of them.
with lines as (
    select
        settled_on,
        owner_uin,
        product_code,
        bill_month,
        (sum(real_cost) * 100000000::decimal(19, 0))::hugeint as sum_of_lines
    from billing.bill_lines
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    group by settled_on, owner_uin, product_code, bill_month
),

settlements as (
    select
        settled_on,
        owner_uin,
        product_code,
        bill_month,
        rated_amount,
        deducted_amount,
        residual_amount,
        (rated_amount * 100000000::decimal(19, 0))::hugeint as rated_e8,
        (deducted_amount * 100::decimal(19, 0))::hugeint as deducted_fen
    from billing.settlements
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
)

select
    coalesce(lines.settled_on, settlements.settled_on) as settled_on,
    coalesce(lines.owner_uin, settlements.owner_uin) as owner_uin,
    coalesce(lines.product_code, settlements.product_code) as product_code,
    coalesce(lines.bill_month, settlements.bill_month) as bill_month,
    lines.sum_of_lines,
    settlements.rated_amount,
    settlements.deducted_amount,
    settlements.residual_amount
from lines
full outer join settlements
    on
        lines.settled_on = settlements.settled_on
        and lines.owner_uin = settlements.owner_uin
        and lines.product_code = settlements.product_code
        and lines.bill_month = settlements.bill_month
where
    lines.sum_of_lines is distinct from settlements.rated_e8
    or settlements.deducted_fen is distinct from sign(lines.sum_of_lines) * (
        (abs(lines.sum_of_lines) + {{ 500000 if deduction_rounding == 'half_up' else 0 }})
        // 1000000
    )
    or settlements.residual_amount
    is distinct from settlements.deducted_amount - settlements.rated_amount
