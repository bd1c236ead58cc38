-- The prices that calls may have of accounts whose prices depend on how much: a row for each step
-- of the ladder in force for a usage date, as known from `known_on` until before `known_until`.
-- Without a ladder, and at an agreed price, it is one row without a step.
with charges as (
    select * from {{ ref('int_charges') }}
),

quantity_accounts as (
    select * from {{ ref('int_quantity_accounts') }}
),

quantity_news as (
    select * from {{ ref('int_quantity_news') }}
),

list_prices_known as (
    select * from {{ ref('int_list_prices_known') }}
),

waivers_known as (
    select * from {{ ref('int_waivers_known') }}
),

counted as (
    select
        charges.owner_uin,
        charges.component_code,
        charges.usage_date,
        charges.settled_on,
        charges.reversed
    from charges
    inner join quantity_accounts
        on
            charges.owner_uin = quantity_accounts.owner_uin
            and charges.component_code = quantity_accounts.component_code
),

due as (
    select
        owner_uin,
        component_code,
        usage_date,
        settled_on as known_on,
        reversed
    from counted
    where {{ is_due('settled_on') }}
),

due_waivers as (
    select
        owner_uin,
        component_code,
        usage_date,
        known_from as known_on
    from waivers_known
    where {{ is_due('known_from') }}
),

-- Moves that may shift other calls of their period: calls that are taken back, by a waiver too, and
-- calls that are charged after calls of later usage. The others must be seen at their prices.
shifting as (
    select * exclude (reversed)
    from due
    where reversed > 0 or usage_date < known_on - 1
    union
    select * from due_waivers
    union
    select due.* exclude (due.reversed)
    from due
    semi join waivers_known
        on
            due.owner_uin = waivers_known.owner_uin
            and due.component_code = waivers_known.component_code
            and due.usage_date = waivers_known.usage_date
            and due.known_on >= waivers_known.known_from
),

-- Within a day all calls have the same terms.
ladders as (
    select
        component_code,
        bool_or(tier_period = 'ever') as is_ever
    from list_prices_known
    where tier_period in ('month', 'ever')
    group by component_code
),

-- Between two dates of news an account's prices are known alike: they are looked up once. On the
-- first date that counts, what was known the day before may be re-rated.
begins as (
    select
        quantity_accounts.owner_uin,
        quantity_accounts.component_code,
        greatest(quantity_accounts.counted_from, {{ settle_from() }} - 1) - days_before.n
            as known_on
    from quantity_accounts
    cross join (values (0), (1)) as days_before (n)
    union
    select
        owner_uin,
        component_code,
        settled_on as known_on
    from quantity_news
),

spans as (
    select
        *,
        coalesce(
            lead(known_on) over (partition by owner_uin, component_code order by known_on),
            date '9999-12-31'
        ) as known_until
    from begins
),

shifting_spans as (
    select
        shifting.owner_uin,
        shifting.component_code,
        date_trunc('month', shifting.usage_date) as usage_month,
        spans.known_on,
        max(shifting.known_on) as last_known_on
    from shifting
    inner join spans
        on
            shifting.owner_uin = spans.owner_uin
            and shifting.component_code = spans.component_code
            and shifting.known_on >= spans.known_on
            and shifting.known_on < spans.known_until
    group by all
),

shifted as (
    select
        counted.owner_uin,
        counted.component_code,
        counted.usage_date,
        shifting_spans.known_on
    from shifting_spans
    inner join counted
        on
            shifting_spans.owner_uin = counted.owner_uin
            and shifting_spans.component_code = counted.component_code
            and shifting_spans.last_known_on >= counted.settled_on
    inner join ladders on shifting_spans.component_code = ladders.component_code
    where
        ladders.is_ever
        or shifting_spans.usage_month = date_trunc('month', counted.usage_date)
),

moved as (
    select * exclude (reversed) from due
    union
    select due_waivers.*
    from due_waivers
    semi join counted
        on
            due_waivers.owner_uin = counted.owner_uin
            and due_waivers.component_code = counted.component_code
            and due_waivers.usage_date = counted.usage_date
            and due_waivers.known_on >= counted.settled_on
    union
    -- What re-rating takes back, at the price as it was known until the day before, and charges
    -- again.
    select
        counted.owner_uin,
        counted.component_code,
        counted.usage_date,
        quantity_news.settled_on - days_before.n as known_on
    from counted
    inner join quantity_news
        on
            counted.owner_uin = quantity_news.owner_uin
            and counted.component_code = quantity_news.component_code
            and counted.settled_on < quantity_news.settled_on
    cross join (values (0), (1)) as days_before (n)
),

wanted as (
    select
        moved.owner_uin,
        moved.component_code,
        moved.usage_date,
        spans.known_on
    from moved
    inner join spans
        on
            moved.owner_uin = spans.owner_uin
            and moved.component_code = spans.component_code
            and moved.known_on >= spans.known_on
            and moved.known_on < spans.known_until
    union
    select * from shifted
),

list_prices_in_force as (
    {{ list_prices_in_force('wanted', ref('int_list_prices_known')) }}
),

contracts_in_force as (
    {{ contracts_in_force('list_prices_in_force', ref('int_contracts_known')) }}
),

terms as (
    select
        list_prices_in_force.owner_uin,
        list_prices_in_force.component_code,
        list_prices_in_force.usage_date,
        list_prices_in_force.known_on,
        list_prices_in_force.list_price,
        list_prices_in_force.tier_period,
        list_prices_in_force.steps,
        spans.known_until,
        contracts_in_force.discount,
        contracts_in_force.contract_price,
        contracts_in_force.contract_price is not null
        and contracts_in_force.discount is null as is_agreed
    from list_prices_in_force
    inner join spans
        on
            list_prices_in_force.owner_uin = spans.owner_uin
            and list_prices_in_force.component_code = spans.component_code
            and list_prices_in_force.known_on = spans.known_on
    left join contracts_in_force
        on
            list_prices_in_force.owner_uin = contracts_in_force.owner_uin
            and list_prices_in_force.component_code = contracts_in_force.component_code
            and list_prices_in_force.usage_date = contracts_in_force.usage_date
            and list_prices_in_force.known_on = contracts_in_force.known_on
),

with_steps as (
    select
        * exclude (steps, list_price),
        unnest(steps, recursive := true) -- noqa: AL03
    from terms
    where steps is not null and not is_agreed
),

quantity_prices as (
    select
        owner_uin,
        component_code,
        usage_date,
        known_on,
        known_until,
        is_agreed,
        tier_period,
        tier_from,
        list_price,
        coalesce(discount, cast(1 as decimal(9, 6))) as discount,
        case
            when discount is null then list_price
            else {{ discounted_price('list_price', 'discount') }}
        end as contract_price
    from with_steps
    union all
    select
        owner_uin,
        component_code,
        usage_date,
        known_on,
        known_until,
        is_agreed,
        null as tier_period,
        null as tier_from,
        list_price,
        case when is_agreed then discount else coalesce(discount, cast(1 as decimal(9, 6))) end
            as discount,
        coalesce(contract_price, list_price) as contract_price
    from terms
    where steps is null or is_agreed
)

select * from quantity_prices
