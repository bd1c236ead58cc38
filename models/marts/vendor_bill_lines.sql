-- Lines of the vendor's bills that are known by now: which component each is for, what it says of
-- price and cost, and whether it is compared with ours.
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

-- Codes and names are taken alike.
product_names as (
    select
        product_code,
        lower(product_code) as said
    from products
    union
    select
        product_code,
        lower(product_name) as said
    from products
),

component_names as (
    select
        product_code,
        component_code,
        lower(component_code) as said
    from components
    union
    select
        product_code,
        component_code,
        lower(component_name) as said
    from components
),

-- Two products of one name are told apart by their components.
named as (
    select
        product_names.said as product_said,
        component_names.said as component_said,
        min(component_names.component_code) as component_code
    from product_names
    inner join component_names on product_names.product_code = component_names.product_code
    group by product_names.said, component_names.said
    having count(distinct component_names.component_code) = 1
),

our_products as (
    select
        said,
        min(product_code) as product_code
    from product_names
    group by said
),

-- A line that names no product is known by its component.
named_alone as (
    select
        said,
        min(product_code) as product_code,
        min(component_code) as component_code
    from component_names
    group by said
    having count(distinct component_code) = 1
),

recognised as (
    select
        vendor_bills.*,
        coalesce(vendor_bills.transaction_type in {{ adjustment_names() }}, false)
        or coalesce(vendor_bills.bill_id in {{ adjustment_names() }}, false)
        or coalesce(vendor_bills.product_name in {{ adjustment_names() }}, false)
        or coalesce(vendor_bills.sub_product_name in {{ adjustment_names() }}, false)
        or coalesce(vendor_bills.component_type in {{ adjustment_names() }}, false)
        or coalesce(vendor_bills.component_name in {{ adjustment_names() }}, false)
            as is_adjustment,
        coalesce(main_products.product_code, sub_products.product_code, alone.product_code)
            as known_product,
        coalesce(
            by_type.component_code,
            by_name.component_code,
            by_sub_type.component_code,
            by_sub_name.component_code,
            alone.component_code
        ) as known_component_code
    from vendor_bills
    left join our_products as main_products
        on lower(vendor_bills.product_name) = main_products.said
    left join our_products as sub_products
        on lower(vendor_bills.sub_product_name) = sub_products.said
    left join named as by_type
        on
            main_products.said = by_type.product_said
            and lower(vendor_bills.component_type) = by_type.component_said
    left join named as by_name
        on
            main_products.said = by_name.product_said
            and lower(vendor_bills.component_name) = by_name.component_said
    left join named as by_sub_type
        on
            sub_products.said = by_sub_type.product_said
            and lower(vendor_bills.component_type) = by_sub_type.component_said
    left join named as by_sub_name
        on
            sub_products.said = by_sub_name.product_said
            and lower(vendor_bills.component_name) = by_sub_name.component_said
    left join named_alone as alone
        on
            vendor_bills.product_name is null
            and vendor_bills.sub_product_name is null
            and lower(coalesce(vendor_bills.component_type, vendor_bills.component_name))
            = alone.said
),

-- Of an adjustment not every form of the bill names the product.
owned as (
    select
        *,
        known_product is not null
        or (
            is_adjustment
            and coalesce(coalesce(product_name, sub_product_name) in {{ adjustment_names() }}, true)
        ) as is_ours
    from recognised
),

-- An adjustment is of its usage's month, whenever it comes. What has no deduction day was deducted
-- on the day after usage.
placed as (
    select
        *,
        case
            when is_ours and is_adjustment then ''
            else coalesce(known_product, product_name, sub_product_name, '')
        end as of_product,
        coalesce(
            bill_month,
            case when is_adjustment then cast(date_trunc('month', usage_date) as date) end,
            {{ bill_month('usage_date', 'coalesce(paid_on, usage_date)') }}
        ) as of_month,
        case
            when is_adjustment then cast(date_trunc('month', usage_date) as date)
            else coalesce(paid_on, {{ plus_days('usage_date', 1) }})
        end as deducted_on
    from owned
),

-- A bill is fetched again, in another form perhaps, and says anew what it is of: of an account, a
-- product and a month from the first deduction day that is in a file to the last. (What lies months
-- away is not believed.)
said as (
    select distinct
        owner_uin,
        is_ours,
        is_adjustment,
        of_product,
        arrived_on,
        {{ each_day('first_day', 'last_day') }} as deducted_on
    from (
        select
            owner_uin,
            is_ours,
            is_adjustment,
            of_product,
            arrived_on,
            greatest(min(deducted_on), {{ plus_days('of_month', -62) }}) as first_day,
            least(max(deducted_on), {{ plus_days('of_month', 62) }}) as last_day
        from placed
        group by
            owner_uin, is_ours, is_adjustment, of_product, arrived_on, of_month, source_file_id
    ) as extents
),

said_last as (
    select
        owner_uin,
        is_ours,
        is_adjustment,
        of_product,
        deducted_on,
        max(arrived_on) as arrived_on
    from said
    group by owner_uin, is_ours, is_adjustment, of_product, deducted_on
),

by_age as (
    select
        placed.*,
        coalesce(said_last.arrived_on > placed.arrived_on, false) as is_superseded
    from placed
    left join said_last
        on
            placed.owner_uin = said_last.owner_uin
            and placed.is_ours = said_last.is_ours
            and placed.is_adjustment = said_last.is_adjustment
            and placed.of_product = said_last.of_product
            and placed.deducted_on = said_last.deducted_on
),

-- Files of one arrival are parts of one bill, in which a line that several of them have is one.
numbered as (
    select
        *,
        row_number() over (
            partition by
                source_file_id,
                owner_uin,
                user_uin,
                operate_uin,
                region,
                resource_id,
                product_name,
                sub_product_name,
                component_type,
                component_name,
                transaction_type,
                order_id,
                bill_id,
                fee_begin_time,
                paid_on,
                used_amount,
                real_cost
            order by line_number
        ) as copy_no
    from by_age
),

parted as (
    select
        *,
        row_number() over (
            partition by
                owner_uin,
                user_uin,
                operate_uin,
                region,
                resource_id,
                product_name,
                sub_product_name,
                component_type,
                component_name,
                transaction_type,
                order_id,
                bill_id,
                fee_begin_time,
                paid_on,
                used_amount,
                real_cost,
                copy_no,
                arrived_on
            order by source_file_id, line_number
        ) as part_no
    from numbered
),

counted as (
    select
        parted.*,
        components.calls_per_price_unit,
        cast(parted.used_amount as decimal(20, 8)) * cast(
            case
                when
                    parted.used_amount_unit is null
                    or parted.used_amount_unit = components.used_amount_unit
                    then components.calls_per_price_unit
                when parted.used_amount_unit = '次' then 1
                when parted.used_amount_unit = '千次' then 1000
                when parted.used_amount_unit = '万次' then 10000
            end as decimal(10, 0)
        ) as exact_calls
    from parted
    left join components on parted.known_component_code = components.component_code
),

measured as (
    select
        *,
        -- Of a line over several days it is not known how many calls are of each; more than 10^9
        -- are none. What costs less than nothing takes calls back.
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
    arrived_on,
    owner_uin,
    of_month as bill_month,
    usage_date,
    paid_on as deducted_on,
    coalesce(product_name, sub_product_name) as vendor_product,
    coalesce(known_component_code, component_name, component_type, 'unnamed') as component_code,
    case
        when is_superseded then 'superseded'
        when part_no > 1 then 'repeated'
        when not is_ours then 'other_product'
        when is_adjustment then 'adjustment'
        else 'usage'
    end as status,
    calls,
    price as vendor_price,
    real_cost as vendor_cost,
    -- What the line's own price comes to; where it names none, what it costs.
    case
        when calls is null then cast(0 as decimal(38, 8))
        when price is null then real_cost
        else coalesce({{ line_cost('price_units', 'price') }}, real_cost)
    end as expected_cost,
    coalesce(
        {{ is_rounded_from('real_cost', 'exact_cost') }},
        calls is not null and (price is null or price_units is null)
    ) as is_explained
from expected
