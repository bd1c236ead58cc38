-- Lines of the vendor's bills that are known by the last settled day.
with vendor_bills as (
    select * from {{ source('raw', 'vendor_bills') }}
    where settlement_floor <= {{ settle_through() }}
),

bill_lines as (
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
        -- The month that the API states; other forms of the bill state none.
        bill_month as stated_month,
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
        -- What packages took off the quantity.
        deducted_amount,
        -- How the line was paid.
        voucher_amount,
        incentive_amount,
        cash_amount,
        transfer_amount,
        list_price,
        discount,
        unit_price,
        real_cost
    from vendor_bills
)

select * from bill_lines
