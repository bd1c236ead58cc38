-- List prices, known from the date on which their rows of the catalogue begin to count. Restates
-- the rule of models/staging/stg_list_prices.sql on purpose: a control does not trust what it
-- checks. A ladder is one row: `list_price` is that of its first step that costs, `steps` has the
-- price of each step by the number of calls before it.
create table checks.list_prices as
with counted_rows as (
    select
        row[1] as component_code,
        row[2] as effective_from,
        row[3] as own_known_from,
        min(counts_from) as counts_from
    from ops.catalogue_rows
    where seed = 'list_prices'
    group by all
),

rows_counted as (
    select
        prices.component_code,
        prices.effective_from,
        prices.known_from as own_known_from,
        coalesce(counted_rows.counts_from, prices.known_from) as known_from,
        prices.list_price,
        prices.tier_from,
        prices.tier_period
    from seeds.list_prices as prices
    left join counted_rows
        on
            prices.component_code = counted_rows.component_code
            and prices.effective_from::varchar = counted_rows.effective_from
            and prices.known_from::varchar = counted_rows.own_known_from
),

ladders as (
    select
        component_code,
        effective_from,
        known_from,
        own_known_from,
        max(tier_period) as tier_period,
        map_from_entries(list(row(coalesce(tier_from, -1), list_price) order by tier_from))
            as steps
    from rows_counted
    group by component_code, effective_from, known_from, own_known_from
),

priced as (
    select
        component_code,
        effective_from,
        known_from,
        tier_period,
        steps,
        coalesce(list_filter(map_values(steps), lambda price: price > 0)[1], 0) as list_price
    from ladders
    qualify
        own_known_from = max(own_known_from) over (
            partition by component_code, effective_from, known_from
        )
)

select * from priced
