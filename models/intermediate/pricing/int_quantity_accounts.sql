-- The accounts and components whose prices may depend on how much, and the settlement date from
-- which on their lines are those of int_quantity_lines: the first that knows a ladder of the
-- component, or a package or waiver of the account. Before it a line depends on its own calls only.
with charges as (
    select * from {{ ref('int_charges') }}
),

list_prices as (
    select * from {{ ref('stg_list_prices') }}
),

packages_known as (
    select * from {{ ref('int_packages_known') }}
),

waivers_known as (
    select * from {{ ref('int_waivers_known') }}
),

known as (
    select
        component_code,
        null as owner_uin,
        known_from
    from list_prices
    where steps is not null
    union all
    select
        component_code,
        owner_uin,
        known_from
    from packages_known
    union all
    select
        component_code,
        owner_uin,
        known_from
    from waivers_known
),

charged as (
    select distinct
        owner_uin,
        component_code
    from charges
),

quantity_accounts as (
    select
        charged.owner_uin,
        charged.component_code,
        min(known.known_from) as counted_from
    from charged
    inner join known
        on
            charged.component_code = known.component_code
            and (known.owner_uin is null or charged.owner_uin = known.owner_uin)
    where known.known_from <= {{ settle_through() }}
    group by charged.owner_uin, charged.component_code
)

select * from quantity_accounts
{% if not has_quantity_prices() -%}
where false
{%- endif %}
