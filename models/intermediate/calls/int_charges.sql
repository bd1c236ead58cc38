{{ config(materialized="incremental") }}

-- Calls charged and reversed, by settlement date and what prices them.
with charges_by_caller as (
    select * from {{ ref('int_charges_by_caller') }}
    where {{ is_due() }}
),

charges as (
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        cast(sum(charged) as bigint) as charged,
        cast(sum(reversed) as bigint) as reversed
    from charges_by_caller
    group by settled_on, owner_uin, component_code, usage_date
)

select * from charges
