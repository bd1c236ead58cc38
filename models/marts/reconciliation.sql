-- The vendor's own bill against ours, for accounts and months of which the vendor's is known: what
-- each has of a usage date's calls and what they cost, and why they differ.
{%- set per_unit = "coalesce(components.calls_per_price_unit, 1)" %}
{%- set with_period = "(compared.calls + in_other_periods.period_calls)" %}

with lines as (
    select * from {{ ref('bill_lines') }}
),

vendor_lines as (
    select * from {{ ref('vendor_bill_lines') }}
),

components as (
    select * from {{ ref('components') }}
),

settlements as (
    select * from {{ ref('settlements') }}
),

adjustments as (
    select * from {{ ref('precision_adjustments') }}
),

-- A bill knows what was settled by the day it arrived, but of the day before only if it has
-- something that was deducted on that day. It is of all that its account uses.
covered as (
    select
        owner_uin,
        bill_month,
        max(arrived_on) as known_on,
        max(
            case
                when coalesce(deducted_on, {{ plus_days('usage_date', 1) }}) >= arrived_on
                    then arrived_on
            end
        ) as deducted_on
    from vendor_lines
    group by owner_uin, bill_month
),

theirs as (
    select
        owner_uin,
        bill_month,
        usage_date,
        component_code,
        sum(coalesce(calls, 0)) as calls,
        sum(vendor_cost) as real_cost,
        sum(expected_cost) as expected_cost,
        sum(case when is_explained then 0 else vendor_cost - expected_cost end) as unexplained,
        max(vendor_price) as price,
        count(distinct vendor_price)
        + max(case when calls is not null and vendor_price is null then 1 else 0 end) as prices
    from vendor_lines
    where status = 'usage'
    group by owner_uin, bill_month, usage_date, component_code
),

placed_lines as (
    select
        lines.*,
        theirs.owner_uin is not null as is_there,
        coalesce(lines.settled_on <= covered.known_on, false)
        and (
            lines.usage_date < {{ plus_days('covered.known_on', -1) }}
            or coalesce(covered.deducted_on = covered.known_on, false)
        ) as is_known
    from lines
    left join covered
        on lines.owner_uin = covered.owner_uin and lines.bill_month = covered.bill_month
    left join theirs
        on
            lines.owner_uin = theirs.owner_uin
            and lines.bill_month = theirs.bill_month
            and lines.usage_date = theirs.usage_date
            and lines.component_code = theirs.component_code
    where lines.owner_uin in (select c.owner_uin from covered as c)
),

-- What the vendor had before we had any of it is the same in the end.
our_lines as (
    select
        *,
        is_known or (
            is_there
            and max(case when is_known then 1 else 0 end) over (
                partition by owner_uin, bill_month, usage_date, component_code
            ) = 0
        ) as is_comparable
    from placed_lines
),

ours as (
    select
        owner_uin,
        bill_month,
        usage_date,
        component_code,
        sum(calls) as calls,
        sum(real_cost) as real_cost,
        -- The price that stands in the end.
        max_by(contract_price, concat(cast(settled_on as string), cast(calls > 0 as string)))
            as contract_price,
        count(distinct contract_price) as prices
    from our_lines
    where is_comparable
    group by owner_uin, bill_month, usage_date, component_code
),

-- What the vendor's bills cannot hold yet, or that is in a month of which there is none.
elsewhere as (
    select
        owner_uin,
        usage_date,
        component_code,
        sum(calls) as calls,
        max_by(contract_price, settled_on) as contract_price
    from our_lines
    where not is_comparable
    group by owner_uin, usage_date, component_code
),

keys as (
    select
        owner_uin,
        bill_month,
        usage_date,
        component_code
    from ours
    union
    select
        owner_uin,
        bill_month,
        usage_date,
        component_code
    from theirs
),

compared as (
    select
        keys.owner_uin,
        keys.bill_month,
        keys.usage_date,
        keys.component_code,
        ours.owner_uin is not null as is_here,
        theirs.owner_uin is not null as is_there,
        coalesce(ours.calls, 0) as calls,
        coalesce(theirs.calls, 0) as vendor_calls,
        coalesce(theirs.calls, 0) - coalesce(ours.calls, 0) as more_calls,
        coalesce(ours.real_cost, 0) as real_cost,
        coalesce(theirs.real_cost, 0) as vendor_cost,
        coalesce(theirs.expected_cost, 0) as expected_cost,
        coalesce(theirs.unexplained, 0) as unexplained,
        coalesce(
            ours.contract_price, elsewhere.contract_price, theirs.price, cast(0 as decimal(18, 8))
        ) as price,
        ours.contract_price,
        theirs.price as vendor_price,
        coalesce(ours.prices, 0) as our_prices,
        coalesce(theirs.prices, 0) as their_prices
    from keys
    left join ours
        on
            keys.owner_uin = ours.owner_uin
            and keys.bill_month = ours.bill_month
            and keys.usage_date = ours.usage_date
            and keys.component_code = ours.component_code
    left join theirs
        on
            keys.owner_uin = theirs.owner_uin
            and keys.bill_month = theirs.bill_month
            and keys.usage_date = theirs.usage_date
            and keys.component_code = theirs.component_code
    left join elsewhere
        on
            keys.owner_uin = elsewhere.owner_uin
            and keys.usage_date = elsewhere.usage_date
            and keys.component_code = elsewhere.component_code
),

-- Calls of a usage date that one side bills in another month than the other: what is too many there
-- is too few here. They are taken in order of the months, what is elsewhere last.
by_usage_date as (
    select
        owner_uin,
        usage_date,
        component_code,
        bill_month,
        more_calls
    from compared
    union all
    select
        owner_uin,
        usage_date,
        component_code,
        date '9999-12-01' as bill_month,
        -calls as more_calls
    from elsewhere
),

summed as (
    select
        owner_uin,
        usage_date,
        component_code,
        bill_month,
        more_calls,
        sum(greatest(more_calls, 0)) over (
            partition by owner_uin, usage_date, component_code
        ) as more_at_all,
        sum(greatest(-more_calls, 0)) over (
            partition by owner_uin, usage_date, component_code
        ) as fewer_at_all,
        sum(greatest(more_calls, 0)) over (
            partition by owner_uin, usage_date, component_code
            order by bill_month
            rows unbounded preceding
        ) as more_so_far,
        sum(greatest(-more_calls, 0)) over (
            partition by owner_uin, usage_date, component_code
            order by bill_month
            rows unbounded preceding
        ) as fewer_so_far
    from by_usage_date
),

movable as (
    select
        *,
        least(more_at_all, fewer_at_all) as movable_calls
    from summed
),

in_other_months as (
    select
        owner_uin,
        usage_date,
        component_code,
        bill_month,
        more_calls,
        case
            when more_calls > 0
                then greatest(0, least(more_calls, movable_calls - more_so_far + more_calls))
            else -greatest(0, least(-more_calls, movable_calls - fewer_so_far - more_calls))
        end as moved
    from movable
    where bill_month < date '9999-12-01'
),

-- And calls that one side has a day earlier than the other: just as many too many as too few, on
-- two days that follow each other.
with_day_before as (
    select
        *,
        lag(usage_date) over days as usage_date_before,
        lag(more_calls - moved) over days as left_before
    from in_other_months
    window days as (partition by owner_uin, component_code order by usage_date, bill_month)
),

offsets as (
    select
        *,
        coalesce(
            usage_date_before = {{ plus_days('usage_date', -1) }}
            and left_before <> 0
            and more_calls - moved = -left_before,
            false
        ) as offsets_day_before
    from with_day_before
),

chains as (
    select
        *,
        sum(case when offsets_day_before then 0 else 1 end) over (
            partition by owner_uin, component_code
            order by usage_date, bill_month
            rows unbounded preceding
        ) as chain_no
    from offsets
),

links as (
    select
        *,
        row_number() over (
            partition by owner_uin, component_code, chain_no order by usage_date, bill_month
        ) as link_no,
        count(*) over (partition by owner_uin, component_code, chain_no) as chain_links
    from chains
),

in_other_periods as (
    select
        owner_uin,
        bill_month,
        usage_date,
        component_code,
        case when link_no % 2 = 0 or link_no < chain_links then more_calls else moved end
            as period_calls
    from links
),

explained as (
    select
        compared.*,
        in_other_periods.period_calls,
        compared.more_calls - in_other_periods.period_calls as volume_calls,
        -- What is on one side alone, and not in another period of the other.
        compared.more_calls = 0 and compared.vendor_cost = compared.real_cost as is_equal,
        compared.is_here <> compared.is_there
        and (
            compared.more_calls <> in_other_periods.period_calls
            or components.component_code is null
        ) as is_missing,
        {{ cost_at('compared.calls', per_unit, 'compared.price') }} as our_cost,
        {{ cost_at(with_period, per_unit, 'compared.price') }} as cost_with_period,
        {{ cost_at('compared.vendor_calls', per_unit, 'compared.price') }} as cost_of_theirs,
        compared.our_prices > 1
        or compared.their_prices > 1
        or coalesce(compared.vendor_price <> compared.price, compared.their_prices > 0)
            as prices_differ
    from compared
    inner join in_other_periods
        on
            compared.owner_uin = in_other_periods.owner_uin
            and compared.bill_month = in_other_periods.bill_month
            and compared.usage_date = in_other_periods.usage_date
            and compared.component_code = in_other_periods.component_code
    left join components on compared.component_code = components.component_code
),

parts as (
    select
        *,
        vendor_cost - real_cost as cost_difference,
        cost_with_period - our_cost as period_difference,
        -- What prices come to beyond one price for all calls.
        (expected_cost - cost_of_theirs) - (real_cost - our_cost) as beyond_one_price,
        vendor_cost - expected_cost - unexplained as rounded
    from explained
),

usage_differences as (
    select
        owner_uin,
        bill_month,
        usage_date,
        component_code,
        is_here,
        calls,
        vendor_calls,
        period_calls,
        case when is_missing then volume_calls else 0 end as missing_calls,
        case when is_missing then 0 else volume_calls end as volume_calls,
        real_cost,
        vendor_cost,
        contract_price,
        vendor_price,
        case when is_missing then cost_difference - period_difference - unexplained else 0 end
            as missing_difference,
        period_difference,
        case when is_missing then 0 else cost_of_theirs - cost_with_period end as volume_difference,
        case when prices_differ and not is_missing and not is_equal then beyond_one_price else 0 end
            as price_difference,
        case
            when is_missing or is_equal then 0
            when prices_differ then rounded
            else rounded + beyond_one_price
        end as rounding_difference,
        case when is_equal then 0 else unexplained end as unexplained_difference
    from parts
),

-- 月度计费精度差异, where the vendor's bill shows it: of all that the account uses. Each deduction can
-- be off by less than 0.01, and either side may have split them otherwise.
vendor_adjustments as (
    select
        owner_uin,
        bill_month,
        sum(vendor_cost) as vendor_cost
    from vendor_lines
    where status = 'adjustment'
    group by owner_uin, bill_month
),

settled as (
    select
        owner_uin,
        bill_month,
        count(*) as deductions
    from settlements
    group by owner_uin, bill_month
),

deductions as (
    select
        theirs_settled.owner_uin,
        theirs_settled.bill_month,
        greatest(theirs_settled.of_ours, coalesce(settled.deductions, 0))
        + theirs_settled.of_others as deductions
    from (
        select
            owner_uin,
            bill_month,
            sum(case when status = 'usage' then 1 else 0 end) as of_ours,
            sum(case when status = 'other_product' then 1 else 0 end) as of_others
        from vendor_lines
        group by owner_uin, bill_month
    ) as theirs_settled
    left join settled
        on
            theirs_settled.owner_uin = settled.owner_uin
            and theirs_settled.bill_month = settled.bill_month
),

compared_adjustments as (
    select
        vendor_adjustments.owner_uin,
        vendor_adjustments.bill_month,
        adjustments.owner_uin is not null as is_here,
        coalesce(adjustments.adjustment_amount, 0) as real_cost,
        vendor_adjustments.vendor_cost,
        vendor_adjustments.vendor_cost - coalesce(adjustments.adjustment_amount, 0)
            as cost_difference,
        coalesce(
            abs(vendor_adjustments.vendor_cost - adjustments.adjustment_amount)
            < deductions.deductions * cast(0.01 as decimal(3, 2)),
            false
        ) as is_rounding
    from vendor_adjustments
    left join adjustments
        on
            vendor_adjustments.owner_uin = adjustments.owner_uin
            and vendor_adjustments.bill_month = adjustments.bill_month
    left join deductions
        on
            vendor_adjustments.owner_uin = deductions.owner_uin
            and vendor_adjustments.bill_month = deductions.bill_month
),

differences as (
    select * from usage_differences
    union all
    select
        owner_uin,
        bill_month,
        bill_month as usage_date,
        'billVirtualId' as component_code,
        is_here,
        0 as calls,
        0 as vendor_calls,
        0 as period_calls,
        0 as missing_calls,
        0 as volume_calls,
        real_cost,
        vendor_cost,
        null as contract_price,
        null as vendor_price,
        case when is_here then 0 else cost_difference end as missing_difference,
        0 as period_difference,
        0 as volume_difference,
        0 as price_difference,
        case when is_here and is_rounding then cost_difference else 0 end as rounding_difference,
        case when is_here and not is_rounding then cost_difference else 0 end
            as unexplained_difference
    from compared_adjustments
)

select
    owner_uin,
    bill_month,
    usage_date,
    component_code,
    coalesce(
        nullif(
            concat_ws(
                '+',
                case
                    when missing_calls = 0 and missing_difference = 0 then null
                    when is_here then 'missing_there'
                    else 'missing_here'
                end,
                case when volume_calls <> 0 or volume_difference <> 0 then 'volume' end,
                case when price_difference <> 0 then 'price' end,
                case when rounding_difference <> 0 then 'rounding' end,
                case when period_calls <> 0 or period_difference <> 0 then 'period' end,
                case when unexplained_difference <> 0 then 'unexplained' end
            ),
            ''
        ),
        'none'
    ) as category,
    cast(calls as bigint) as calls,
    cast(vendor_calls as bigint) as vendor_calls,
    cast(vendor_calls - calls as bigint) as calls_difference,
    cast(contract_price as decimal(18, 8)) as contract_price,
    cast(vendor_price as decimal(18, 8)) as vendor_price,
    cast(real_cost as decimal(38, 8)) as real_cost,
    cast(vendor_cost as decimal(38, 8)) as vendor_cost,
    cast(vendor_cost - real_cost as decimal(38, 8)) as cost_difference,
    cast(missing_difference as decimal(38, 8)) as missing_difference,
    cast(volume_difference as decimal(38, 8)) as volume_difference,
    cast(price_difference as decimal(38, 8)) as price_difference,
    cast(rounding_difference as decimal(38, 8)) as rounding_difference,
    cast(period_difference as decimal(38, 8)) as period_difference,
    cast(unexplained_difference as decimal(38, 8)) as unexplained_difference
from differences
