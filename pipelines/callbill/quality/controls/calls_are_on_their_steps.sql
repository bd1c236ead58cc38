-- How many calls are on each step of a ladder, as their number alone says: the first step is full
-- before the second begins. Where a period has several ladders or discounts, this holds for each
-- stretch of usage dates that cost alike, after the calls of the stretches before it. It restates
-- on purpose what int_quantity_lines counts date by date.
with lines as (
    select
        owner_uin,
        component_code,
        usage_date,
        tier_from,
        -- Free calls do not tell the discount.
        case when list_price > 0 then discount end as discount,
        sum(calls) as calls
    from billing.bill_lines
    where tier_from is not null
    group by
        owner_uin,
        component_code,
        usage_date,
        tier_from,
        case when list_price > 0 then discount end
    having sum(calls) <> 0
),

usage_days as (
    select
        owner_uin,
        component_code,
        usage_date,
        case when count(distinct discount) = 1 then max(discount) end as discount
    from lines
    group by owner_uin, component_code, usage_date
),

ladders as (
    select
        usage_days.owner_uin,
        usage_days.component_code,
        usage_days.usage_date,
        usage_days.discount,
        max_by(
            list_prices.tier_period, (list_prices.effective_from, list_prices.known_from)
        ) as tier_period,
        max_by(
            list_prices.steps, (list_prices.effective_from, list_prices.known_from)
        ) as steps,
        max_by(
            list_prices.list_price, (list_prices.effective_from, list_prices.known_from)
        ) as list_price
    from usage_days
    inner join checks.list_prices on usage_days.component_code = list_prices.component_code
    where
        list_prices.effective_from <= usage_days.usage_date
        and list_prices.known_from <= date '{{ settle_through }}'
    group by
        usage_days.owner_uin,
        usage_days.component_code,
        usage_days.usage_date,
        usage_days.discount
),

in_periods as (
    select
        *,
        case tier_period
            when 'day' then usage_date
            when 'month' then date_trunc('month', usage_date)::date
        end as period_start,
        -- What the first step that costs comes to, as a whole number of 10^-8 CNY.
        (
            (list_price * 100000000::decimal(19, 0))::hugeint
            * (discount * 1000000::decimal(19, 0))::hugeint
            + 500000
        ) // 1000000 as price_e8
    from ladders
),

-- If the discount of one date is not known, only ladders tell stretches apart. They may then be
-- longer than those that calls are counted in, which makes no other numbers.
compared as (
    select
        * exclude (price_e8),
        case
            when count(price_e8) over of_period = count(*) over of_period then price_e8
        end as price_e8
    from in_periods
    window of_period as (partition by owner_uin, component_code, tier_period, period_start)
),

in_order as (
    select
        *,
        lag(steps) over of_period as steps_before,
        lag(price_e8) over of_period as price_e8_before
    from compared
    window of_period as (
        partition by owner_uin, component_code, tier_period, period_start order by usage_date
    )
),

stretches as (
    select
        owner_uin,
        component_code,
        usage_date,
        tier_period,
        period_start,
        map_keys(steps) as tiers,
        count(*) filter (
            where steps is distinct from steps_before or price_e8 is distinct from price_e8_before
        ) over (
            partition by owner_uin, component_code, tier_period, period_start order by usage_date
        ) as stretch
    from in_order
),

on_steps as (
    select
        stretches.owner_uin,
        stretches.component_code,
        stretches.tier_period,
        stretches.period_start,
        stretches.stretch,
        stretches.tiers,
        lines.tier_from,
        min(lines.usage_date) as first_usage_date,
        max(lines.usage_date) as last_usage_date,
        sum(lines.calls) as calls
    from lines
    inner join stretches
        on
            lines.owner_uin = stretches.owner_uin
            and lines.component_code = stretches.component_code
            and lines.usage_date = stretches.usage_date
    group by
        stretches.owner_uin,
        stretches.component_code,
        stretches.tier_period,
        stretches.period_start,
        stretches.stretch,
        stretches.tiers,
        lines.tier_from
),

counted as (
    select
        *,
        sum(calls) over of_period as calls_so_far,
        sum(calls) over of_stretch as calls_of_stretch,
        list_filter(tiers, lambda tier: tier > tier_from)[1] as tier_to
    from on_steps
    window
        of_period as (
            partition by owner_uin, component_code, tier_period, period_start order by stretch
        ),
        of_stretch as (
            partition by owner_uin, component_code, tier_period, period_start, stretch
        )
),

-- How many of the first calls of the period are on the step or below it, with this stretch and
-- without. Fewer than none, if more were taken back than there are, are on the first step.
placed as (
    select
        *,
        least(calls_so_far, coalesce(tier_to, calls_so_far)) as upto,
        least(calls_so_far - calls_of_stretch, coalesce(tier_to, calls_so_far - calls_of_stretch))
            as upto_before
    from counted
)

select
    owner_uin,
    component_code,
    tier_period,
    period_start,
    first_usage_date,
    last_usage_date,
    tier_from,
    calls,
    calls_of_stretch,
    calls_so_far
from placed
where
    calls <> case
        -- A step of a ladder that is no more: its calls have gone to others.
        when not list_contains(tiers, tier_from) then 0
        when tier_from = 0 then upto - upto_before
        else greatest(upto, tier_from) - greatest(upto_before, tier_from)
    end
