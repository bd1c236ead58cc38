-- Lines of the vendor's bills with their calls and price, and whether that price gives their cost.
with lines as (
    select * from {{ ref('int_vendor_bill_lines_current') }}
),

components as (
    select * from {{ ref('components') }}
),

counted as (
    select
        lines.*,
        components.calls_per_price_unit,
        cast(
            case
                when
                    lines.used_amount_unit is null
                    or lines.used_amount_unit = components.used_amount_unit
                    then components.calls_per_price_unit
                when lines.used_amount_unit = '次' then 1
                when lines.used_amount_unit = '千次' then 1000
                when lines.used_amount_unit = '万次' then 10000
                -- As FOCUS has it: Requests, 1000 Requests.
                when regexp_full_match(lower(lines.used_amount_unit), '\d{0,6} ?requests')
                    then coalesce(
                        try_cast(regexp_extract(lines.used_amount_unit, '^\d+') as integer), 1
                    )
            end as decimal(10, 0)
        ) as calls_per_unit,
        cast(lines.used_amount as decimal(20, 8)) * calls_per_unit as exact_calls,
        cast(
            case when abs(lines.deducted_amount) < 1000000000 then lines.deducted_amount end
            as decimal(20, 8)
        ) * calls_per_unit as exact_package_calls
    from lines
    left join components on lines.our_component_code = components.component_code
),

measured as (
    select
        *,
        -- The calls of each day are unknown in a line over several days. More than 10^9 calls are a
        -- mistake. A negative cost takes calls back.
        case
            when
                exact_calls = round(exact_calls, 0)
                and abs(exact_calls) <= 1000000000
                and coalesce(last_usage_date, usage_date) = usage_date
                then cast(
                    case when real_cost < 0 then -abs(exact_calls) else exact_calls end as bigint
                )
        end as calls
    from counted
),

-- A bill states the price as a unit price, or as a list price with a discount, and the two need not
-- agree. The price is the one that gives the cost.
priced as (
    select
        *,
        {{ used_amount('calls', 'calls_per_price_unit') }} as price_units,
        {{ discounted_price('list_price', 'discount') }} as discounted_price
    from measured
),

chosen as (
    select
        *,
        case
            when
                discounted_price is not null
                and (
                    unit_price is null
                    or abs(real_cost - {{ line_cost('price_units', 'discounted_price') }})
                    < abs(real_cost - {{ line_cost('price_units', 'unit_price') }})
                )
                then discounted_price
            else coalesce(unit_price, list_price)
        end as price
    from priced
),

multiplied as (
    select
        *,
        cast(price_units as decimal(20, 8)) * price as exact_cost
    from chosen
)

select
    source_file_id,
    line_number,
    arrived_on,
    owner_uin,
    usage_date,
    paid_on,
    product_name,
    sub_product_name,
    component_type,
    component_name,
    our_component_code,
    is_adjustment,
    is_bill_adjustment,
    is_ours,
    bill_month,
    is_superseded,
    is_repeated,
    -- Calls that packages paid for. The line's calls are without them.
    case
        when
            exact_package_calls = round(exact_package_calls, 0)
            and exact_package_calls between 0 and 1000000000
            then cast(exact_package_calls as bigint)
        else 0
    end as package_calls,
    calls,
    price,
    real_cost,
    voucher_amount,
    incentive_amount,
    cash_amount,
    transfer_amount,
    -- Calls at the line's own price; its cost if it states no price.
    case
        when calls is null then cast(0 as decimal(38, 8))
        when price is null then real_cost
        else coalesce({{ line_cost('price_units', 'price') }}, real_cost)
    end as expected_cost,
    coalesce(
        {{ is_rounded_from('real_cost', 'exact_cost') }},
        calls is not null and (price is null or price_units is null)
    ) as is_explained
from multiplied
