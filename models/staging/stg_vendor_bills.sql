-- Lines of the vendor's bills that are known by now, each from the file that arrived last of those
-- that have it, with the component that they are for and what they say of price and cost.
with vendor_bills as (
    select * from {{ source('raw', 'vendor_bills') }}
    where settlement_floor <= {{ settle_through() }}
),

components as (
    select * from {{ ref('components') }}
),

products as (
    select * from {{ ref('products') }}
),

-- A bill that is fetched again has its lines again.
by_age as (
    select
        *,
        dense_rank() over (
            partition by
                owner_uin,
                user_uin,
                operate_uin,
                region,
                resource_id,
                bill_id,
                order_id,
                transaction_type,
                component_type,
                component_name,
                fee_begin_time,
                paid_on
            order by arrived_on desc, settlement_floor desc, source_file_id desc
        ) as age
    from vendor_bills
),

-- Codes and names are taken alike.
product_names as (
    select
        product_code as said,
        product_code
    from products
    union
    select
        product_name as said,
        product_code
    from products
),

component_names as (
    select
        product_code,
        component_code as said,
        component_code
    from components
    union
    select
        product_code,
        component_name as said,
        component_code
    from components
),

-- What two have in common names neither.
named_products as (
    select
        said,
        min(product_code) as product_code
    from product_names
    group by said
    having count(*) = 1
),

named_components as (
    select
        product_code,
        said,
        min(component_code) as component_code
    from component_names
    group by product_code, said
    having count(*) = 1
),

named as (
    select
        by_age.*,
        coalesce(sub_products.product_code, main_products.product_code) as product_code
    from by_age
    left join named_products as main_products on by_age.product_name = main_products.said
    left join named_products as sub_products on by_age.sub_product_name = sub_products.said
    where by_age.age = 1
),

matched as (
    select
        named.*,
        coalesce(by_type.component_code, by_name.component_code) as known_component_code
    from named
    left join named_components as by_type
        on named.product_code = by_type.product_code and named.component_type = by_type.said
    left join named_components as by_name
        on named.product_code = by_name.product_code and named.component_name = by_name.said
),

counted as (
    select
        matched.*,
        components.calls_per_price_unit,
        cast(matched.used_amount as decimal(20, 8)) * cast(
            case
                when
                    matched.used_amount_unit is null
                    or matched.used_amount_unit = components.used_amount_unit
                    then components.calls_per_price_unit
                when matched.used_amount_unit = '次' then 1
                when matched.used_amount_unit = '千次' then 1000
                when matched.used_amount_unit = '万次' then 10000
            end as decimal(10, 0)
        ) as exact_calls
    from matched
    left join components on matched.known_component_code = components.component_code
),

measured as (
    select
        *,
        -- Of a line over several days it is not known how many calls are of each.
        case
            when
                exact_calls = round(exact_calls, 0)
                and coalesce(last_usage_date, usage_date) = usage_date
                then cast(exact_calls as bigint)
        end as calls
    from counted
),

-- The price is what makes the cost: bills have it as a price of its own, or as a list price with a
-- discount, and the other column need not agree.
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

expected as (
    select
        *,
        cast(price_units as decimal(20, 8)) * price as exact_cost
    from chosen
)

select
    source_file_id,
    line_number,
    owner_uin,
    {{ bill_month('usage_date', 'coalesce(paid_on, usage_date)') }} as bill_month,
    usage_date,
    product_code,
    coalesce(known_component_code, component_name, component_type) as component_code,
    coalesce(transaction_type in ('billVirtualId', '月度计费精度差异'), false) as is_adjustment,
    calls,
    price,
    real_cost,
    -- What the line's own price comes to; where it names none, what it costs.
    case
        when calls is null then cast(0 as decimal(38, 8))
        else coalesce({{ line_cost('price_units', 'price') }}, real_cost)
    end as expected_cost,
    coalesce({{ is_rounded_from('real_cost', 'exact_cost') }}, calls is not null and price is null)
        as is_explained,
    arrived_on
from expected
