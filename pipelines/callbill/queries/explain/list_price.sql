-- The list price in force for a line's usage date as known on a date: of those known then, the one
-- that began last. Parameters: the id of the line, the date.
with line as (
    select
        *,
        cast($2 as date) as known_on
    from (
        from release.billing.bill_lines
        -- A release of before 0.7 has no ladders.
        union all by name
        select cast(null as bigint) as tier_from
        where false
    ) as published
    where line_id = $1
),

-- A warehouse of an earlier version has no ladders.
list_prices_known as (
    select * from intermediate.int_list_prices_known
    union all by name
    select
        cast(null as varchar) as tier_period,
        cast(null as struct(tier_from bigint, list_price decimal(18, 8))[]) as steps
    where false
)

select
    coalesce(
        list_filter(
            list_prices_known.steps, lambda step: step.tier_from = line.tier_from -- noqa: RF01
        )[1].list_price,
        list_prices_known.list_price
    ) as list_price,
    list_prices_known.tier_period,
    list_prices_known.effective_from,
    list_prices_known.known_from
from line
inner join list_prices_known
    on
        line.component_code = list_prices_known.component_code
        and line.usage_date >= list_prices_known.effective_from
        and line.known_on >= list_prices_known.known_from
        and line.known_on < list_prices_known.known_to
order by list_prices_known.effective_from desc
limit 1
