-- Settled usage that a list price or contract which became known later may reprice: the net calls
-- billed before the date on which it became known.
with charges as (
    select * from {{ ref('int_charges') }}
),

contracts_known as (
    select * from {{ ref('int_contracts_known') }}
),

list_prices_known as (
    select * from {{ ref('int_list_prices_known') }}
),

new_prices as (
    select distinct
        owner_uin,
        component_code,
        effective_from,
        known_from
    from contracts_known
    where {{ is_due('known_from') }}
    union
    select distinct
        null as owner_uin,
        component_code,
        effective_from,
        known_from
    from list_prices_known
    where {{ is_due('known_from') }}
),

-- Prices that become known on one day are one re-rating.
affected as (
    select distinct
        new_prices.known_from as settled_on,
        charges.owner_uin,
        charges.component_code,
        charges.usage_date
    from new_prices
    inner join charges
        on
            new_prices.component_code = charges.component_code
            and (new_prices.owner_uin is null or new_prices.owner_uin = charges.owner_uin)
            and new_prices.effective_from <= charges.usage_date
            and new_prices.known_from > charges.settled_on
),

repriced as (
    select * from affected
    where true {{ and_not_counted('affected') }}
),

repriced_usage as (
    select
        repriced.settled_on,
        repriced.owner_uin,
        repriced.component_code,
        repriced.usage_date,
        cast(sum(charges.charged - charges.reversed) as bigint) as calls
    from repriced
    inner join charges
        on
            repriced.owner_uin = charges.owner_uin
            and repriced.component_code = charges.component_code
            and repriced.usage_date = charges.usage_date
            and repriced.settled_on > charges.settled_on
    group by
        repriced.settled_on,
        repriced.owner_uin,
        repriced.component_code,
        repriced.usage_date
    having sum(charges.charged - charges.reversed) <> 0
)

select * from repriced_usage
