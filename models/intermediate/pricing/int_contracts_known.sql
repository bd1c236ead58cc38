-- Contracts with the settlement dates on which each version is what is known. Rows with one owner,
-- component and effective_from are versions of one contract: the latest known counts, within a
-- file the last line. Files of one settlement floor may give several: int_prices chooses.
with contracts as (
    select * from {{ source('raw', 'contracts') }}
),

ranked_lines as (
    select
        *,
        row_number() over (
            -- Lines of a file that were read again became known later.
            partition by
                source_file_id, settlement_floor, owner_uin, component_code, effective_from
            order by line_number desc
        ) as rank_from_last
    from contracts
),

last_lines as (
    select *
    from ranked_lines
    where rank_from_last = 1
),

floors as (
    select distinct
        owner_uin,
        component_code,
        effective_from,
        settlement_floor
    from last_lines
),

known as (
    select
        owner_uin,
        component_code,
        effective_from,
        settlement_floor as known_from,
        coalesce(
            lead(settlement_floor) over (
                partition by owner_uin, component_code, effective_from
                order by settlement_floor
            ),
            date '9999-12-31'
        ) as known_to
    from floors
),

contracts_known as (
    select
        last_lines.owner_uin,
        last_lines.component_code,
        last_lines.effective_from,
        coalesce(last_lines.effective_to, date '9999-12-31') as effective_to,
        last_lines.discount,
        last_lines.contract_price,
        last_lines.source_file_id,
        known.known_from,
        known.known_to
    from last_lines
    inner join known
        on
            last_lines.owner_uin = known.owner_uin
            and last_lines.component_code = known.component_code
            and last_lines.effective_from = known.effective_from
            and last_lines.settlement_floor = known.known_from
)

select * from contracts_known
