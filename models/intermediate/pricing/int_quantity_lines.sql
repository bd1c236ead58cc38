-- Lines of accounts whose prices depend on how much: the calls that each settlement moves between
-- steps, packages and waivers (pipelines/callbill/tasks/quantities.py counts them), with their
-- prices. What re-rating takes back and charges again under one key cancels out.
-- Whether a waived request is charged is looked up in {{ ref('int_calls') }}.
with moves as (
    select * from {{ source('ops', 'quantity_moves') }}
    where {{ is_due() }}
),

prices as (
    select * from {{ ref('int_quantity_prices') }}
),

waivers_known as (
    select * from {{ ref('int_waivers_known') }}
),

priced as (
    select
        moves.settled_on,
        moves.owner_uin,
        moves.component_code,
        moves.usage_date,
        moves.line_type,
        moves.tier_from,
        moves.package_id,
        moves.waiver_id,
        moves.calls,
        -- What a package covers was paid for when it was bought.
        case
            when moves.package_id is null then prices.list_price
            else cast(0 as decimal(18, 8))
        end as list_price,
        case
            when moves.package_id is null then prices.discount else cast(1 as decimal(9, 6))
        end as discount,
        case
            when moves.package_id is null then prices.contract_price
            else cast(0 as decimal(18, 8))
        end as contract_price
    from moves
    left join prices
        on
            moves.owner_uin = prices.owner_uin
            and moves.component_code = prices.component_code
            and moves.usage_date = prices.usage_date
            and moves.known_on >= prices.known_on
            and moves.known_on < prices.known_until
            and moves.tier_from is not distinct from prices.tier_from
            and moves.package_id is null
),

summed as (
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        line_type,
        tier_from,
        package_id,
        waiver_id,
        list_price,
        discount,
        contract_price,
        sum(calls) as calls
    from priced
    group by all
    having sum(calls) <> 0
),

quantity_lines as (
    select
        summed.*,
        waivers_known.waiver_reason
    from summed
    left join waivers_known
        on
            summed.waiver_id = waivers_known.waiver_id
            and summed.owner_uin = waivers_known.owner_uin
            and summed.component_code = waivers_known.component_code
            and summed.usage_date = waivers_known.usage_date
            and summed.settled_on >= waivers_known.known_from
            and summed.settled_on < waivers_known.known_to
)

select * from quantity_lines
