-- Usage whose price changed after settlement: the net calls are taken back at the old price and
-- charged at the new. If neither price changes, there is nothing to re-rate.
with repriced_usage as (
    select * from {{ ref('int_repriced_usage') }}
),

prices as (
    select * from {{ ref('int_prices') }}
),

changed as (
    select
        repriced_usage.*,
        old_prices.list_price as old_list_price,
        old_prices.discount as old_discount,
        old_prices.contract_price as old_contract_price,
        new_prices.list_price as new_list_price,
        new_prices.discount as new_discount,
        new_prices.contract_price as new_contract_price
    from repriced_usage
    inner join prices as old_prices
        on
            repriced_usage.owner_uin = old_prices.owner_uin
            and repriced_usage.component_code = old_prices.component_code
            and repriced_usage.usage_date = old_prices.usage_date
            and repriced_usage.settled_on - 1 = old_prices.known_on
    inner join prices as new_prices
        on
            repriced_usage.owner_uin = new_prices.owner_uin
            and repriced_usage.component_code = new_prices.component_code
            and repriced_usage.usage_date = new_prices.usage_date
            and repriced_usage.settled_on = new_prices.known_on
    where
        old_prices.list_price <> new_prices.list_price
        or old_prices.contract_price <> new_prices.contract_price
),

reratings as (
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        -calls as calls,
        old_list_price as list_price,
        old_discount as discount,
        old_contract_price as contract_price
    from changed
    union all
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        calls,
        new_list_price as list_price,
        new_discount as discount,
        new_contract_price as contract_price
    from changed
)

select * from reratings
