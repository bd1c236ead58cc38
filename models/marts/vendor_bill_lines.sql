{{ config(meta={"only_of": "vendor_bills"}) }}

-- Lines of the vendor's bills: the component of each, its price and cost, and whether it is
-- compared with our lines.
with lines as (
    select * from {{ ref('int_vendor_bill_lines_priced') }}
)

select
    source_file_id,
    line_number,
    arrived_on,
    owner_uin,
    bill_month,
    usage_date,
    paid_on as deducted_on,
    coalesce(product_name, sub_product_name) as vendor_product,
    coalesce(our_component_code, component_name, component_type, 'unnamed') as component_code,
    case
        when is_superseded then 'superseded'
        when is_repeated then 'repeated'
        when is_bill_adjustment and not is_adjustment then 'bill_adjustment'
        when not is_ours then 'other_product'
        when is_adjustment then 'adjustment'
        else 'usage'
    end as status,
    calls,
    price as vendor_price,
    real_cost as vendor_cost,
    expected_cost,
    is_explained,
    cash_amount as cash_cost,
    incentive_amount as credit_cost,
    voucher_amount as voucher_cost,
    transfer_amount as transfer_cost
from lines
