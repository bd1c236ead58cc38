-- The contract behind a line's price, as known on a date. The model int_prices chose the price, and
-- the line holds it. What is looked up here is where it came from: the contract version, of those
-- known on the date that cover the usage date, with the line's terms. If several have the same
-- terms, it is the one that began last. Parameters: the id of the line, the date.
with line as (
    select
        *,
        cast($2 as date) as known_on
    from release.billing.bill_lines
    where line_id = $1
),

in_force as (
    select contracts_known.*
    from line
    inner join intermediate.int_contracts_known as contracts_known
        on
            line.owner_uin = contracts_known.owner_uin
            and line.component_code = contracts_known.component_code
            and line.usage_date >= contracts_known.effective_from
            and line.usage_date < contracts_known.effective_to
            and line.known_on >= contracts_known.known_from
            and line.known_on < contracts_known.known_to
            and line.discount is not distinct from contracts_known.discount
            -- An agreed price has no discount.
            and (line.discount is not null or line.contract_price = contracts_known.contract_price)
    order by
        contracts_known.effective_from desc,
        contracts_known.effective_to asc,
        contracts_known.source_file_id asc
    limit 1
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
inner join ops.source_files as files
    on in_force.source_file_id = files.source_file_id and files.feed = 'contracts'
inner join raw.contracts as contracts
    on
        in_force.source_file_id = contracts.source_file_id
        and in_force.known_from = contracts.settlement_floor
        and in_force.owner_uin = contracts.owner_uin
        and in_force.component_code = contracts.component_code
        and in_force.effective_from = contracts.effective_from
-- Of a file's lines with one owner, component and beginning the last is the version.
order by contracts.line_number desc
limit 1
