-- Restates line cost on purpose, in whole numbers of 10^-8 CNY and cut off: it informs, nothing
-- is billed by it.
select
    calls_again.request_id,
    calls_again.settled_on,
    calls_again.usage_date,
    calls_again.first_owner as claimed_by,
    calls_again.last_owner as and_by,
    calls_again.component_code,
    calls_again.disposition,
    cast(
        (
            max_by(
                list_prices.list_price, (list_prices.effective_from, list_prices.known_from)
            ) * cast(100000000 as decimal(19, 0))
        ) // any_value(components.calls_per_price_unit) as decimal(20, 0)
    ) * cast(0.00000001 as decimal(8, 8)) as list_cost
from intermediate.int_calls_again as calls_again
left join seeds.components on calls_again.component_code = components.component_code
left join checks.list_prices
    on
        calls_again.component_code = list_prices.component_code
        and calls_again.usage_date >= list_prices.effective_from
        and calls_again.settled_on >= list_prices.known_from
where
    calls_again.settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    and calls_again.void_on = calls_again.settled_on
    and calls_again.first_owner <> calls_again.last_owner
group by all
