-- Lines of the vendor's bills with what we recognise in them: the product, the component, whether
-- it is a precision adjustment, the month and the deduction day.
with lines as (
    select * from {{ ref('stg_vendor_bills') }}
),

components as (
    select * from {{ ref('components') }}
),

products as (
    select * from {{ ref('products') }}
),

-- A bill may name a product or component by code or by name, in any capitals.
product_names as (
    select
        product_code,
        lower(product_code) as spelling
    from products
    union
    select
        product_code,
        lower(product_name) as spelling
    from products
),

component_names as (
    select
        product_code,
        component_code,
        lower(component_code) as spelling
    from components
    union
    select
        product_code,
        component_code,
        lower(component_name) as spelling
    from components
),

named_products as (
    select
        spelling,
        min(product_code) as product_code
    from product_names
    group by spelling
),

-- Two products of one spelling are told apart by their components.
named_components as (
    select
        product_names.spelling as product_spelling,
        component_names.spelling as component_spelling,
        min(component_names.component_code) as component_code
    from product_names
    inner join component_names on product_names.product_code = component_names.product_code
    group by product_names.spelling, component_names.spelling
    having count(distinct component_names.component_code) = 1
),

-- A line that names no product is recognised by its component alone.
components_alone as (
    select
        spelling,
        min(product_code) as product_code,
        min(component_code) as component_code
    from component_names
    group by spelling
    having count(distinct component_code) = 1
),

recognised as (
    select
        lines.*,
        coalesce(lines.transaction_type in {{ adjustment_names() }}, false)
        or coalesce(lines.bill_id in {{ adjustment_names() }}, false)
        or coalesce(lines.product_name in {{ adjustment_names() }}, false)
        or coalesce(lines.sub_product_name in {{ adjustment_names() }}, false)
        or coalesce(lines.component_type in {{ adjustment_names() }}, false)
        or coalesce(lines.component_name in {{ adjustment_names() }}, false)
        -- In FOCUS it is an adjustment of no component.
        or (
            coalesce(lines.transaction_type = 'Adjustment', false)
            and lines.component_type is null
            and lines.component_name is null
        )
            as is_adjustment,
        coalesce(
            lines.transaction_type in {{ bill_adjustment_names() }}
            or contains(lines.transaction_type, '保底'),
            false
        ) as is_bill_adjustment,
        coalesce(main_products.product_code, sub_products.product_code, alone.product_code)
            as our_product_code,
        coalesce(
            by_type.component_code,
            by_name.component_code,
            by_sub_type.component_code,
            by_sub_name.component_code,
            alone.component_code
        ) as our_component_code
    from lines
    left join named_products as main_products
        on lower(lines.product_name) = main_products.spelling
    left join named_products as sub_products
        on lower(lines.sub_product_name) = sub_products.spelling
    left join named_components as by_type
        on
            main_products.spelling = by_type.product_spelling
            and lower(lines.component_type) = by_type.component_spelling
    left join named_components as by_name
        on
            main_products.spelling = by_name.product_spelling
            and lower(lines.component_name) = by_name.component_spelling
    left join named_components as by_sub_type
        on
            sub_products.spelling = by_sub_type.product_spelling
            and lower(lines.component_type) = by_sub_type.component_spelling
    left join named_components as by_sub_name
        on
            sub_products.spelling = by_sub_name.product_spelling
            and lower(lines.component_name) = by_sub_name.component_spelling
    left join components_alone as alone
        on
            lines.product_name is null
            and lines.sub_product_name is null
            and lower(coalesce(lines.component_type, lines.component_name)) = alone.spelling
),

-- Not every form of the bill names the product of an adjustment.
attributed as (
    select
        *,
        our_product_code is not null
        or (
            is_adjustment
            and coalesce(coalesce(product_name, sub_product_name) in {{ adjustment_names() }}, true)
        ) as is_ours
    from recognised
),

-- An adjustment belongs to the month of its usage, whenever it comes. A line without a deduction
-- day was deducted on the day after its usage.
dated as (
    select
        *,
        case
            when is_ours and is_adjustment then ''
            else coalesce(our_product_code, product_name, sub_product_name, '')
        end as product,
        coalesce(
            stated_month,
            case when is_adjustment then cast(date_trunc('month', usage_date) as date) end,
            {{ bill_month('usage_date', 'coalesce(paid_on, usage_date)') }}
        ) as bill_month,
        case
            when is_adjustment then cast(date_trunc('month', usage_date) as date)
            else coalesce(paid_on, usage_date + 1)
        end as deducted_on
    from attributed
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
    bill_month,
    usage_date,
    last_usage_date,
    paid_on,
    deducted_on,
    product,
    product_name,
    sub_product_name,
    component_type,
    component_name,
    used_amount,
    used_amount_unit,
    deducted_amount,
    voucher_amount,
    incentive_amount,
    cash_amount,
    transfer_amount,
    list_price,
    discount,
    unit_price,
    real_cost,
    our_component_code,
    is_adjustment,
    is_bill_adjustment,
    is_ours
from dated
