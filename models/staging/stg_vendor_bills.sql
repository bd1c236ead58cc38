-- Lines of the vendor's bills that are known by now: which product and component each is for, of
-- which month it is and when it was deducted.
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
            else coalesce(paid_on, usage_date + 1)
        end as deducted_on
    from owned
)

select
    source_file_id,
    line_number,
    arrived_on,
    owner_uin,
    user_uin,
    operate_uin,
    region,
    resource_id,
    transaction_type,
    order_id,
    bill_id,
    fee_begin_time,
    usage_date,
    last_usage_date,
    paid_on,
    product_name,
    sub_product_name,
    component_type,
    component_name,
    used_amount,
    used_amount_unit,
    list_price,
    discount,
    unit_price,
    real_cost,
    known_component_code,
    is_adjustment,
    is_ours,
    of_product,
    of_month,
    deducted_on
from placed
