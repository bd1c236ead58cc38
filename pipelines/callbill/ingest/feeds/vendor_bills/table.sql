-- Lines of the vendor's bills. An item from the vendor's API has a row per component.
create table if not exists raw.vendor_bills_loaded (
    source_file_id varchar not null,
    line_number bigint not null,
    owner_uin varchar not null,
    user_uin varchar,
    operate_uin varchar,
    product_name varchar,
    sub_product_name varchar,
    region varchar,
    resource_id varchar,
    transaction_type varchar,
    order_id varchar,
    bill_id varchar,
    component_type varchar,
    component_name varchar,
    fee_begin_time timestamptz not null,
    -- In the billing timezone, as all of the vendor's dates.
    paid_on date,
    usage_date date not null,
    last_usage_date date,
    -- The month that the bill states for the line, null if it states none.
    bill_month date,
    list_price decimal(18, 8),
    unit_price decimal(18, 8),
    discount decimal(18, 8),
    used_amount decimal(18, 8),
    used_amount_unit varchar,
    real_cost decimal(38, 8) not null,
    -- Quantities before packages, and those taken from packages; how the line was paid.
    total_amount decimal(38, 8),
    deducted_amount decimal(38, 8),
    voucher_amount decimal(38, 8),
    incentive_amount decimal(38, 8),
    cash_amount decimal(38, 8),
    transfer_amount decimal(38, 8),
    arrived_on date not null,
    settlement_floor date not null,
    -- The line's own texts, as a JSON object.
    fields varchar not null
);
