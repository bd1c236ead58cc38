-- What each account's contracts say, and since when it is known: why a line has its price.
-- A contract that a later version withdrew ends where it begins.
with contracts_known as (
    select * from {{ ref('int_contracts_known') }}
),

contracts as (
    select
        owner_uin,
        component_code,
        effective_from,
        nullif(effective_to, date '9999-12-31') as effective_to,
        known_from,
        -- A version that is only known after the settled dates ends nothing yet.
        case when known_to <= {{ settle_through() }} then known_to end as known_to,
        cast(discount as decimal(18, 8)) as discount,
        cast(contract_price as decimal(18, 8)) as contract_price,
        source_file_id
    from contracts_known
    where known_from <= {{ settle_through() }}
)

select * from contracts
