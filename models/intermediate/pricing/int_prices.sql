-- The price in force for a usage date as known on a date, for every pair that the due lines need:
-- the contract covering the usage date with the latest effective_from, otherwise the list price.
with charges as (
    select * from {{ ref('int_charges') }}
    where {{ is_due() }}
),

repriced_usage as (
    select * from {{ ref('int_repriced_usage') }}
),

list_prices_known as (
    select * from {{ ref('int_list_prices_known') }}
),

contracts_known as (
    select * from {{ ref('int_contracts_known') }}
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

ranked_list_prices as (
    select
        wanted.owner_uin,
        wanted.component_code,
        wanted.usage_date,
        wanted.known_on,
        list_prices_known.list_price,
        row_number() over (
            partition by wanted.owner_uin, wanted.component_code, wanted.usage_date, wanted.known_on
            order by list_prices_known.effective_from desc
        ) as rank_from_latest
    from wanted
    inner join list_prices_known
        on
            wanted.component_code = list_prices_known.component_code
            and wanted.usage_date >= list_prices_known.effective_from
            and wanted.known_on >= list_prices_known.known_from
            and wanted.known_on < list_prices_known.known_to
),

list_prices_in_force as (
    select *
    from ranked_list_prices
    where rank_from_latest = 1
),

-- What a contract makes of the list price. An agreed price has no discount.
contract_choices as (
    select
        list_prices_in_force.owner_uin,
        list_prices_in_force.component_code,
        list_prices_in_force.usage_date,
        list_prices_in_force.known_on,
        contracts_known.effective_from,
        contracts_known.effective_to,
        contracts_known.source_file_id,
        contracts_known.discount,
        coalesce(
            contracts_known.contract_price,
            {{ discounted_price('list_prices_in_force.list_price', 'contracts_known.discount') }}
        ) as contract_price
    from list_prices_in_force
    inner join contracts_known
        on
            list_prices_in_force.owner_uin = contracts_known.owner_uin
            and list_prices_in_force.component_code = contracts_known.component_code
            and list_prices_in_force.usage_date >= contracts_known.effective_from
            and list_prices_in_force.known_on >= contracts_known.known_from
            and list_prices_in_force.known_on < contracts_known.known_to
),

-- Of versions that became known on one day the lowest price counts, then the earliest end.
ranked_versions as (
    select
        *,
        row_number() over (
            partition by owner_uin, component_code, usage_date, known_on, effective_from
            order by
                contract_price asc,
                effective_to asc,
                discount asc nulls last,
                source_file_id asc
        ) as rank_of_version
    from contract_choices
),

-- One that has ended, or was withdrawn (it ends where it begins), covers nothing.
ranked_contracts as (
    select
        *,
        row_number() over (
            partition by owner_uin, component_code, usage_date, known_on
            order by effective_from desc
        ) as rank_from_latest
    from ranked_versions
    where rank_of_version = 1 and usage_date < effective_to
),

contracts_in_force as (
    select *
    from ranked_contracts
    where rank_from_latest = 1
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
