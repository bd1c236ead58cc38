-- The due dates on which a price of an account whose prices depend on how much becomes known
-- otherwise: what stands charged may be re-rated on them.
with quantity_accounts as (
    select * from {{ ref('int_quantity_accounts') }}
),

contracts_known as (
    select * from {{ ref('int_contracts_known') }}
),

list_prices_known as (
    select * from {{ ref('int_list_prices_known') }}
),

new_prices as (
    select
        owner_uin,
        component_code,
        known_from
    from contracts_known
    where {{ is_due('known_from') }}
    union
    select
        null as owner_uin,
        component_code,
        known_from
    from list_prices_known
    where {{ is_due('known_from') }}
),

quantity_news as (
    select distinct
        quantity_accounts.owner_uin,
        quantity_accounts.component_code,
        new_prices.known_from as settled_on
    from quantity_accounts
    inner join new_prices
        on
            quantity_accounts.component_code = new_prices.component_code
            and (
                new_prices.owner_uin is null
                or quantity_accounts.owner_uin = new_prices.owner_uin
            )
            and quantity_accounts.counted_from <= new_prices.known_from
)

select * from quantity_news
