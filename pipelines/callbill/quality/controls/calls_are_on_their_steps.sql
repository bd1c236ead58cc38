-- How many calls are on each step of a ladder, as their number alone says: the first step is full
-- before the second begins. It restates on purpose what int_quantity_lines counts date by date.
-- Periods in which a ladder was replaced have two, and are not looked at.
with lines as (
    select
        owner_uin,
        component_code,
        usage_date,
        tier_from,
        sum(calls) as calls
    from billing.bill_lines
    where tier_from is not null
    group by owner_uin, component_code, usage_date, tier_from
),

usage_days as (
    select distinct
        component_code,
        usage_date
    from lines
),

ladders as (
    select
        usage_days.component_code,
        usage_days.usage_date,
        max_by(
            list_prices.tier_period, (list_prices.effective_from, list_prices.known_from)
        ) as tier_period,
        max_by(
            map_keys(list_prices.steps), (list_prices.effective_from, list_prices.known_from)
        ) as tiers
    from usage_days
    inner join checks.list_prices on usage_days.component_code = list_prices.component_code
    where
        list_prices.effective_from <= usage_days.usage_date
        and list_prices.known_from <= date '{{ settle_through }}'
    group by usage_days.component_code, usage_days.usage_date
),

in_periods as (
    select
        lines.owner_uin,
        lines.component_code,
        ladders.tier_period,
        case ladders.tier_period
            when 'day' then lines.usage_date
            when 'month' then date_trunc('month', lines.usage_date)::date
        end as period_start,
        ladders.tiers,
        lines.tier_from,
        lines.calls
    from lines
    left join ladders
        on
            lines.component_code = ladders.component_code
            and lines.usage_date = ladders.usage_date
),

-- The ladder is part of the key: the step after 0 calls is one of every ladder.
on_steps as (
    select
        owner_uin,
        component_code,
        tier_period,
        period_start,
        tiers,
        tier_from,
        sum(calls) as calls
    from in_periods
    group by owner_uin, component_code, tier_period, period_start, tiers, tier_from
),

counted as (
    select
        *,
        sum(calls) over of_period as calls_of_period,
        count(distinct tiers) over of_period as ladders_of_period,
        list_filter(tiers, lambda tier: tier > tier_from)[1] as tier_to
    from on_steps
    window of_period as (partition by owner_uin, component_code, tier_period, period_start)
)

select
    owner_uin,
    component_code,
    tier_period,
    period_start,
    tier_from,
    calls,
    calls_of_period
from counted
where
    ladders_of_period <= 1
    and calls <> case
        -- A step of a ladder that is no more: its calls have gone to others.
        when not list_contains(tiers, tier_from) then 0
        -- More were taken back than are on the steps: those that remain are in packages.
        when calls_of_period < 0 and tier_from = 0 then calls_of_period
        else greatest(least(calls_of_period, coalesce(tier_to, calls_of_period)) - tier_from, 0)
    end
