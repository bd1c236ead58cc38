-- Successful calls that are not in the bill, as it is known at the end of the due dates, and what
-- they would have cost: calls that these dates left unbilled, and calls that wait for a later date.
with counted as (
    select * from {{ ref('int_unbilled_counts') }}
),

components as (
    select * from {{ ref('components') }}
),

wanted as (
    select distinct
        owner_uin,
        component_code,
        usage_date,
        known_on
    from counted
),

list_prices_in_force as (
    {{ list_prices_in_force('wanted', ref('int_list_prices_known')) }}
),

contracts_in_force as (
    {{ contracts_in_force('list_prices_in_force', ref('int_contracts_known')) }}
),

unbilled_calls as (
    select
        counted.settled_on,
        counted.reason,
        counted.usage_date,
        counted.owner_uin,
        counted.action,
        counted.component_code,
        counted.attributes,
        counted.calls,
        {{ line_cost(
            used_amount('counted.calls', 'components.calls_per_price_unit'),
            'coalesce(contracts_in_force.contract_price, list_prices_in_force.list_price)'
        ) }} as unbilled_cost
    from counted
    left join components on counted.component_code = components.component_code
    left join list_prices_in_force
        on
            counted.owner_uin = list_prices_in_force.owner_uin
            and counted.component_code = list_prices_in_force.component_code
            and counted.usage_date = list_prices_in_force.usage_date
            and counted.known_on = list_prices_in_force.known_on
    left join contracts_in_force
        on
            counted.owner_uin = contracts_in_force.owner_uin
            and counted.component_code = contracts_in_force.component_code
            and counted.usage_date = contracts_in_force.usage_date
            and counted.known_on = contracts_in_force.known_on
)

select * from unbilled_calls
