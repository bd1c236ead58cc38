-- List prices, known from the settlement date on which their row of the catalogue begins to count.
-- A row that was added after that date was sealed counts from the first date that was not. Of rows
-- with one component and effective_from that begin to count together, the one known last counts.
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
        coalesce(catalogue_rows.counts_from, list_prices.known_from) as known_from,
        list_prices.list_price
    from list_prices
    left join catalogue_rows
        on
            catalogue_rows.row = [
                list_prices.component_code,
                cast(list_prices.effective_from as varchar),
                cast(list_prices.known_from as varchar),
                {{ price_text('list_prices.list_price') }}
            ]
    qualify
        row_number() over (
            partition by
                list_prices.component_code,
                list_prices.effective_from,
                coalesce(catalogue_rows.counts_from, list_prices.known_from)
            order by list_prices.known_from desc
        ) = 1
)

select * from counted
