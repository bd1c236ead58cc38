-- List prices, known from the settlement date on which their rows of the catalogue begin to count.
-- A row that was added after that date was sealed counts from the first date that was not. Of
-- prices with one component and effective_from that begin to count together, the one known last
-- counts. A price that depends on how much is a ladder of steps: one row, which has them in a list.
with list_prices as (
    select * from {{ ref('list_prices') }}
),

catalogue_rows as (
    select * from {{ source('ops', 'catalogue_rows') }}
    where seed = 'list_prices'
),

counted as (
    select
        list_prices.component_code,
        list_prices.effective_from,
        list_prices.known_from as own_known_from,
        coalesce(catalogue_rows.counts_from, list_prices.known_from) as known_from,
        list_prices.list_price,
        list_prices.tier_from,
        list_prices.tier_period
    from list_prices
    left join catalogue_rows
        on
            catalogue_rows.row[1] = list_prices.component_code
            and catalogue_rows.row[2] = cast(list_prices.effective_from as varchar)
            and catalogue_rows.row[3] = cast(list_prices.known_from as varchar)
            and catalogue_rows.row[4] = {{ price_text('list_prices.list_price') }}
            and catalogue_rows.row[5] is not distinct from cast(list_prices.tier_from as varchar)
            and catalogue_rows.row[6] is not distinct from list_prices.tier_period
),

ladders as (
    select
        component_code,
        effective_from,
        own_known_from,
        known_from,
        -- Where one price has to stand for a ladder, it is that of the first step that costs.
        coalesce(
            min_by(list_price, coalesce(tier_from, 0)) filter (where list_price > 0), 0
        ) as list_price,
        any_value(tier_period) as tier_period,
        list(
            struct_pack(tier_from := tier_from, list_price := list_price) order by tier_from
        ) filter (where tier_from is not null) as steps
    from counted
    group by component_code, effective_from, own_known_from, known_from
),

known_last as (
    select * exclude (own_known_from)
    from ladders
    qualify
        row_number() over (
            partition by component_code, effective_from, known_from
            order by own_known_from desc
        ) = 1
)

select
    component_code,
    effective_from,
    known_from,
    cast(list_price as decimal(18, 8)) as list_price,
    tier_period,
    steps
from known_last
