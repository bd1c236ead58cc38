-- From which usage date on a component has a list price, as known on settlement dates from
-- known_from up to known_to (exclusive): usage before it is unrated.
with list_prices as (
    select * from {{ ref('stg_list_prices') }}
),

known as (
    select
        component_code,
        known_from,
        min(effective_from) as effective_from
    from list_prices
    group by component_code, known_from
),

first_list_prices as (
    select
        component_code,
        known_from,
        coalesce(
            lead(known_from) over (partition by component_code order by known_from),
            date '9999-12-31'
        ) as known_to,
        min(effective_from) over (
            partition by component_code
            order by known_from
            rows between unbounded preceding and current row
        ) as rated_from
    from known
)

select * from first_list_prices
