{{ config(meta={"only_of": "vendor_bills"}) }}

-- The vendor's own bills compared with ours, for accounts and months with a vendor's bill: calls
-- and cost of each usage date on both sides, and why they differ.
with usage_differences as (
    select * from {{ ref('int_usage_differences') }}
),

adjustment_differences as (
    select * from {{ ref('int_adjustment_differences') }}
),

differences as (
    select * from usage_differences
    union all
    select
        owner_uin,
        bill_month,
        bill_month as usage_date,
        'billVirtualId' as component_code,
        in_our_bill,
        0 as calls,
        0 as vendor_calls,
        0 as period_calls,
        0 as missing_calls,
        0 as volume_calls,
        0 as package_calls,
        real_cost,
        vendor_cost,
        null as contract_price,
        null as vendor_price,
        missing_difference,
        0 as period_difference,
        0 as volume_difference,
        0 as price_difference,
        rounding_difference,
        unexplained_difference
    from adjustment_differences
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
                    when in_our_bill then 'missing_there'
                    else 'missing_here'
                end,
                case when package_calls <> 0 then 'package' end,
                case
                    when
                        volume_calls + coalesce(package_calls, 0) <> 0
                        or (volume_difference <> 0 and coalesce(package_calls, 0) = 0)
                        then 'volume'
                end,
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
