-- Restates which price is in force, on purpose: a control does not trust what it checks. Prices
-- are whole numbers of 10^-8 CNY here (`_e8`), discounts of 10^-6, rounded half away from zero.
-- Calls that a package covers have no price. Unless a price or a contract became known, only usage
-- that the due dates have lines of can be billed at another price than it was.
with news as (
    select known_from
    from checks.list_prices
    where known_from between date '{{ settle_from }}' and date '{{ settle_through }}'
    union all
    select settlement_floor
    from raw.contracts
    where settlement_floor between date '{{ settle_from }}' and date '{{ settle_through }}'
),

billed as (
    select
        owner_uin,
        component_code,
        usage_date,
        tier_from,
        list_price,
        contract_price,
        sum(calls) as calls
    from billing.bill_lines
    where
        package_id is null
        and (
            (select count(*) > 0 from news)
            or (owner_uin, component_code, usage_date) in (
                select (due.owner_uin, due.component_code, due.usage_date)
                from billing.bill_lines as due
                where
                    due.settled_on
                    between date '{{ settle_from }}' and date '{{ settle_through }}'
            )
        )
    group by owner_uin, component_code, usage_date, tier_from, list_price, contract_price
    having sum(calls) <> 0
),

usage_days as (
    select distinct
        component_code,
        usage_date
    from billed
),

account_usage_days as (
    select distinct
        owner_uin,
        component_code,
        usage_date
    from billed
),

list_prices as (
    select
        usage_days.component_code,
        usage_days.usage_date,
        max_by(
            list_prices.list_price, (list_prices.effective_from, list_prices.known_from)
        ) as list_price,
        max_by(
            list_prices.steps, (list_prices.effective_from, list_prices.known_from)
        ) as steps
    from usage_days
    inner join checks.list_prices on usage_days.component_code = list_prices.component_code
    where
        list_prices.effective_from <= usage_days.usage_date
        and list_prices.known_from <= date '{{ settle_through }}'
    group by usage_days.component_code, usage_days.usage_date
),

-- What is known of each contract: of its latest floor the files that arrived last, and of each its
-- last line.
versions as (
    select *
    from raw.contracts
    where settlement_floor <= date '{{ settle_through }}'
    qualify
        rank() over (
            partition by owner_uin, component_code, effective_from
            order by settlement_floor desc, arrived_on desc nulls last
        ) = 1
        and rank() over (
            partition by
                source_file_id,
                settlement_floor,
                arrived_on,
                owner_uin,
                component_code,
                effective_from
            order by line_number desc
        ) = 1
),

offers as (
    select
        account_usage_days.owner_uin,
        account_usage_days.component_code,
        account_usage_days.usage_date,
        versions.effective_from,
        -- Of versions of one floor the lowest price counts, then the earliest end, then a discount.
        min(
            (
                coalesce(
                    (versions.contract_price * 100000000::decimal(19, 0))::hugeint,
                    (
                        (list_prices.list_price * 100000000::decimal(19, 0))::hugeint
                        * (versions.discount * 1000000::decimal(19, 0))::hugeint
                        + 500000
                    ) // 1000000
                ),
                coalesce(versions.effective_to, date '9999-12-31'),
                coalesce((versions.discount * 1000000::decimal(19, 0))::bigint, 1000001)
            )
        ) as price_end_and_discount
    from account_usage_days
    inner join list_prices
        on
            account_usage_days.component_code = list_prices.component_code
            and account_usage_days.usage_date = list_prices.usage_date
    inner join versions
        on
            account_usage_days.owner_uin = versions.owner_uin
            and account_usage_days.component_code = versions.component_code
            and account_usage_days.usage_date >= versions.effective_from
    group by
        account_usage_days.owner_uin,
        account_usage_days.component_code,
        account_usage_days.usage_date,
        versions.effective_from
),

contracts as (
    select
        owner_uin,
        component_code,
        usage_date,
        max_by(price_end_and_discount, effective_from)[1] as contract_price_e8,
        -- Null for an agreed price.
        nullif(max_by(price_end_and_discount, effective_from)[3], 1000001) as discount_e6
    from offers
    where usage_date < price_end_and_discount[2]
    group by owner_uin, component_code, usage_date
),

in_force as (
    select
        billed.owner_uin,
        billed.component_code,
        billed.usage_date,
        billed.calls,
        billed.tier_from,
        billed.list_price,
        billed.contract_price,
        contracts.contract_price_e8,
        contracts.discount_e6,
        contracts.contract_price_e8 is not null and contracts.discount_e6 is null as is_agreed,
        -- Without a ladder the one price has the key -1.
        list_prices.steps[coalesce(billed.tier_from, -1)] as price_of_step,
        list_prices.list_price as one_price
    from billed
    left join list_prices
        on
            billed.component_code = list_prices.component_code
            and billed.usage_date = list_prices.usage_date
    left join contracts
        on
            billed.owner_uin = contracts.owner_uin
            and billed.component_code = contracts.component_code
            and billed.usage_date = contracts.usage_date
),

compared as (
    select
        owner_uin,
        component_code,
        usage_date,
        calls,
        tier_from,
        list_price,
        contract_price,
        -- At an agreed price no call is on a step, and so has no price there.
        case
            when not is_agreed then price_of_step
            when tier_from is null then one_price
        end as list_price_in_force,
        case
            when is_agreed then contract_price_e8
            when discount_e6 is not null
                then (
                    (price_of_step * 100000000::decimal(19, 0))::hugeint * discount_e6 + 500000
                ) // 1000000
            else (price_of_step * 100000000::decimal(19, 0))::hugeint
        end as contract_price_in_force_in_1e8ths
    from in_force
)

select *
from compared
where
    list_price is distinct from list_price_in_force
    or (contract_price * 100000000::decimal(19, 0))::hugeint
    is distinct from contract_price_in_force_in_1e8ths
