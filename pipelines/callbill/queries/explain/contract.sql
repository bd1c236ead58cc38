-- The contract that priced a line, chosen as int_prices chose it: by the macros of
-- macros/contract_in_force.sql. Parameters: the id of the line, the date as of which it asks.
with priced_usage as (
    select
        owner_uin,
        component_code,
        usage_date,
        cast($2 as date) as known_on,
        list_price
    from release.billing.bill_lines
    where line_id = $1
),

-- A warehouse of an earlier version has no arrivals.
every_contract as (
    select * from raw.contracts
    union all by name
    select cast(null as date) as arrived_on
    where false
),

contracts as (
    select contracts.*
    from every_contract as contracts
    inner join priced_usage
        on
            contracts.owner_uin = priced_usage.owner_uin
            and contracts.component_code = priced_usage.component_code
),

known as (
    {{ contracts_known('contracts') }}
),

in_force as (
    {{ contracts_in_force('priced_usage', 'known') }}
)

select
    contracts.effective_from,
    contracts.effective_to,
    contracts.discount,
    contracts.contract_price,
    contracts.settlement_floor,
    files.path,
    contracts.line_number,
    contracts.source_file_id
from in_force
inner join contracts
    on
        in_force.source_file_id = contracts.source_file_id
        and in_force.line_number = contracts.line_number
        and in_force.known_from = contracts.settlement_floor
inner join ops.source_files as files
    on
        contracts.source_file_id = files.source_file_id
        and files.feed = 'contracts'
        and files.arrived_on = coalesce(contracts.arrived_on, files.arrived_on)
-- Of two deliveries of one content the later one counts.
order by contracts.arrived_on desc
limit 1
