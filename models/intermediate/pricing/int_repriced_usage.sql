-- Usage whose list or contract price may have become known otherwise after it was settled: the
-- net calls billed before the date on which a price row became known that can cover them.
with charges as (
    select * from {{ ref('int_charges') }}
),

contracts_known as (
    select * from {{ ref('int_contracts_known') }}
),

list_prices_known as (
    select * from {{ ref('int_list_prices_known') }}
),

news as (
    select distinct
        owner_uin,
        component_code,
        effective_from,
        known_from
    from contracts_known
    where {{ is_due('known_from') }}
    union
    select distinct
        null as owner_uin,
        component_code,
        effective_from,
        known_from
    from list_prices_known
    where {{ is_due('known_from') }}
),

-- News of one day is one re-rating.
affected as (
    select distinct
        news.known_from as settled_on,
        charges.owner_uin,
        charges.component_code,
        charges.usage_date
    from news
    inner join charges
        on
            news.component_code = charges.component_code
            and (news.owner_uin is null or news.owner_uin = charges.owner_uin)
            and news.effective_from <= charges.usage_date
            and news.known_from > charges.settled_on
),

repriced_usage as (
    select
        affected.settled_on,
        affected.owner_uin,
        affected.component_code,
        affected.usage_date,
        cast(sum(charges.charged - charges.reversed) as bigint) as calls
    from affected
    inner join charges
        on
            affected.owner_uin = charges.owner_uin
            and affected.component_code = charges.component_code
            and affected.usage_date = charges.usage_date
            and affected.settled_on > charges.settled_on
    group by
        affected.settled_on,
        affected.owner_uin,
        affected.component_code,
        affected.usage_date
    having sum(charges.charged - charges.reversed) <> 0
)

select * from repriced_usage
