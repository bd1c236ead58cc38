-- The list price in force for a line's usage date as known on a date: of those known then, the one
-- that began last. Parameters: the id of the line, the date.
with line as (
    select
        *,
        cast($2 as date) as known_on
    from release.billing.bill_lines
    where line_id = $1
)

select
    list_prices_known.list_price,
    list_prices_known.effective_from,
    list_prices_known.known_from
from line
inner join intermediate.int_list_prices_known as list_prices_known
    on
        line.component_code = list_prices_known.component_code
        and line.usage_date >= list_prices_known.effective_from
        and line.known_on >= list_prices_known.known_from
        and line.known_on < list_prices_known.known_to
order by list_prices_known.effective_from desc
limit 1
