-- The contract behind a bill line's price. The model int_prices chose the price, and the line holds
-- it: what is looked up here is the version, of those known on the date that cover the usage date,
-- with the line's terms. Several may have the same terms: then it is the one that began last.
with covering as (
    select *
    from intermediate.int_contracts_known
    where
        owner_uin = $owner_uin
        and component_code = $component_code
        and effective_from <= $usage_date
        and effective_to > $usage_date
        and known_from <= $known_on
        and known_to > $known_on
),

in_force as (
    select *
    from covering
    where
        discount is not distinct from $discount
        and (discount is not null or contract_price = $contract_price)
    order by effective_from desc, effective_to asc, source_file_id asc
    limit 1
)

select
    lines.effective_from,
    lines.effective_to,
    lines.discount,
    lines.contract_price,
    lines.settlement_floor,
    files.path,
    lines.line_number,
    lines.source_file_id
from in_force
inner join ops.source_files as files
    on in_force.source_file_id = files.source_file_id and files.feed = 'contracts'
inner join raw.contracts as lines
    on
        in_force.source_file_id = lines.source_file_id
        and in_force.known_from = lines.settlement_floor
        and in_force.owner_uin = lines.owner_uin
        and in_force.component_code = lines.component_code
        and in_force.effective_from = lines.effective_from
-- Of a file's lines with one owner, component and beginning the last is the version.
order by lines.line_number desc
limit 1
