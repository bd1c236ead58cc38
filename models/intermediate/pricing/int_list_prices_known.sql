-- List prices with the settlement dates on which each is the one known: of the rows with one
-- component and effective_from, the one that became known last.
with list_prices as (
    select * from {{ ref('stg_list_prices') }}
),

list_prices_known as (
    select
        component_code,
        effective_from,
        list_price,
        tier_period,
        steps,
        known_from,
        coalesce(
            lead(known_from) over (
                partition by component_code, effective_from
                order by known_from
            ),
            date '9999-12-31'
        ) as known_to
    from list_prices
)

select * from list_prices_known
