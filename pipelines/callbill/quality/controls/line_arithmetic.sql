-- Restates the rules of macros/money.sql on purpose: a control does not trust what it checks.
-- Amounts are whole numbers of 10^-8 (`_e8`), discounts of 10^-6, rounded half away from zero.
with lines as (
    select
        bill_lines.line_id,
        bill_lines.calls,
        bill_lines.used_amount,
        bill_lines.list_price,
        bill_lines.discount,
        bill_lines.contract_price,
        bill_lines.list_cost,
        bill_lines.real_cost,
        components.calls_per_price_unit as per_unit,
        (bill_lines.used_amount * 100000000::decimal(19, 0))::hugeint as used_amount_e8,
        (bill_lines.list_price * 100000000::decimal(19, 0))::hugeint as list_price_e8,
        (bill_lines.contract_price * 100000000::decimal(19, 0))::hugeint as contract_price_e8,
        (bill_lines.discount * 1000000::decimal(19, 0))::hugeint as discount_e6,
        (bill_lines.list_cost * 100000000::decimal(19, 0))::hugeint as list_cost_e8,
        (bill_lines.real_cost * 100000000::decimal(19, 0))::hugeint as real_cost_e8
    from billing.bill_lines
    inner join seeds.components on bill_lines.component_code = components.component_code
    where bill_lines.settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
)

select
    line_id,
    calls,
    used_amount,
    list_price,
    discount,
    contract_price,
    list_cost,
    real_cost
from lines
where
    used_amount_e8 * per_unit <> calls::hugeint * 100000000
    or contract_price_e8
    is distinct from coalesce((list_price_e8 * discount_e6 + 500000) // 1000000, contract_price_e8)
    or list_cost_e8
    <> sign(calls) * ((abs(calls::hugeint) * list_price_e8 + per_unit // 2) // per_unit)
    or real_cost_e8
    <> sign(calls) * ((abs(calls::hugeint) * contract_price_e8 + per_unit // 2) // per_unit)
