{{ config(materialized="incremental") }}

-- The bill: each line stands alone, with its own quantity, prices and costs.
with charges as (
    select * from {{ ref('int_charges') }} as charges
    where {{ is_due() }} {{ and_not_counted('charges') }}
),

reratings as (
    select * from {{ ref('int_reratings') }}
),

quantity_lines as (
    select * from {{ ref('int_quantity_lines') }}
),

prices as (
    select * from {{ ref('int_prices') }}
),

components as (
    select * from {{ ref('components') }}
),

products as (
    select * from {{ ref('products') }}
),

priced_charges as (
    select
        charges.settled_on,
        charges.owner_uin,
        charges.component_code,
        charges.usage_date,
        charges.charged,
        charges.reversed,
        prices.list_price,
        prices.discount,
        prices.contract_price
    from charges
    inner join prices
        on
            charges.owner_uin = prices.owner_uin
            and charges.component_code = prices.component_code
            and charges.usage_date = prices.usage_date
            and charges.settled_on = prices.known_on
),

lines as (
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        case
            when settled_on - usage_date = 1 then 'usage'
            else 'late_usage'
        end as line_type,
        charged as calls,
        list_price,
        discount,
        contract_price
    from priced_charges
    where charged <> 0
    union all
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        'correction' as line_type,
        -reversed as calls,
        list_price,
        discount,
        contract_price
    from priced_charges
    where reversed <> 0
    union all
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        'rerating' as line_type,
        calls,
        list_price,
        discount,
        contract_price
    from reratings
    union all by name
    select * from quantity_lines
),

measured as (
    select
        lines.*,
        components.product_code,
        products.product_name,
        components.component_name,
        components.used_amount_unit,
        components.price_unit,
        {{ used_amount('lines.calls', 'components.calls_per_price_unit') }} as used_amount
    from lines
    inner join components on lines.component_code = components.component_code
    inner join products on components.product_code = products.product_code
),

bill_lines as (
    select
        {{ line_id() }} as line_id,
        settled_on,
        {{ bill_month('usage_date', 'settled_on') }} as bill_month,
        usage_date,
        owner_uin,
        product_code,
        product_name,
        component_code,
        component_name,
        line_type,
        cast(calls as bigint) as calls,
        used_amount,
        used_amount_unit,
        cast(list_price as decimal(18, 8)) as list_price,
        cast(discount as decimal(18, 8)) as discount,
        cast(contract_price as decimal(18, 8)) as contract_price,
        price_unit,
        {{ line_cost('used_amount', 'list_price') }} as list_cost,
        {{ line_cost('used_amount', 'contract_price') }} as real_cost,
        tier_from,
        package_id,
        waiver_id,
        waiver_reason
    from measured
)

select * from bill_lines
