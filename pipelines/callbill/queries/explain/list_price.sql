-- The list price in force for a usage date as known on a date: of those known then, the one that
-- began last.
select
    list_price,
    effective_from,
    known_from
from intermediate.int_list_prices_known
where
    component_code = $component_code
    and effective_from <= $usage_date
    and known_from <= $known_on
    and known_to > $known_on
order by effective_from desc
limit 1
