-- The price in force for a usage date as known on a date, for every pair that the due lines need:
-- the contract covering the usage date with the latest effective_from, otherwise the list price.
with charges as (
    select * from {{ ref('int_charges') }} as charges
    where {{ is_due() }} {{ and_not_counted('charges') }}
),

repriced_usage as (
    select * from {{ ref('int_repriced_usage') }}
),

wanted as (
    select
        owner_uin,
        component_code,
        usage_date,
        settled_on as known_on
    from charges
    union
    select
        owner_uin,
        component_code,
        usage_date,
        settled_on as known_on
    from repriced_usage
    union
    -- What re-rating takes back: the price as it was known until the day before.
    select
        owner_uin,
        component_code,
        usage_date,
        settled_on - 1 as known_on
    from repriced_usage
),

list_prices_in_force as (
    {{ list_prices_in_force('wanted', ref('int_list_prices_known')) }}
),

contracts_in_force as (
    {{ contracts_in_force('list_prices_in_force', ref('int_contracts_known')) }}
),

prices as (
    select
        list_prices_in_force.owner_uin,
        list_prices_in_force.component_code,
        list_prices_in_force.usage_date,
        list_prices_in_force.known_on,
        list_prices_in_force.list_price,
        -- Null for an agreed price, 1 without contract.
        case
            when contracts_in_force.contract_price is null then cast(1 as decimal(9, 6))
            else contracts_in_force.discount
        end as discount,
        coalesce(contracts_in_force.contract_price, list_prices_in_force.list_price)
            as contract_price
    from list_prices_in_force
    left join contracts_in_force
        on
            list_prices_in_force.owner_uin = contracts_in_force.owner_uin
            and list_prices_in_force.component_code = contracts_in_force.component_code
            and list_prices_in_force.usage_date = contracts_in_force.usage_date
            and list_prices_in_force.known_on = contracts_in_force.known_on
)

select * from prices
