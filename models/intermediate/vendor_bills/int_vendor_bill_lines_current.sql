-- Lines of the vendor's bills, with whether they are still current: a bill that arrived later may
-- cover the same days, and several files of one arrival may hold the same line.
{%- set line_identity %}
    owner_uin, user_uin, operate_uin, region, resource_id, product_name, sub_product_name,
    component_type, component_name, transaction_type, order_id, bill_id, fee_begin_time, paid_on,
    used_amount, real_cost
{%- endset %}

with lines as (
    select * from {{ ref('int_vendor_bill_lines_recognised') }}
),

-- A file covers, for an account, product and month, the deduction days from its first to its last.
-- A day that lies months away is a mistake and counts no further than 62 days.
covered_spans as (
    select
        owner_uin,
        is_ours,
        is_adjustment,
        product,
        arrived_on,
        greatest(min(deducted_on), bill_month - 62) as first_day,
        least(max(deducted_on), bill_month + 62) as last_day
    from lines
    group by owner_uin, is_ours, is_adjustment, product, arrived_on, bill_month, source_file_id
),

covered_days as (
    select
        owner_uin,
        is_ours,
        is_adjustment,
        product,
        arrived_on,
        cast(unnest(generate_series(first_day, last_day, interval 1 day)) as date) as deducted_on
    from covered_spans
),

last_covered as (
    select
        owner_uin,
        is_ours,
        is_adjustment,
        product,
        deducted_on,
        max(arrived_on) as arrived_on
    from covered_days
    group by owner_uin, is_ours, is_adjustment, product, deducted_on
),

with_superseded as (
    select
        lines.*,
        coalesce(last_covered.arrived_on > lines.arrived_on, false) as is_superseded
    from lines
    left join last_covered
        on
            lines.owner_uin = last_covered.owner_uin
            and lines.is_ours = last_covered.is_ours
            and lines.is_adjustment = last_covered.is_adjustment
            and lines.product = last_covered.product
            and lines.deducted_on = last_covered.deducted_on
),

-- Files of one arrival are parts of one bill. A line that several of them hold is one line.
with_copies as (
    select
        *,
        row_number() over (
            partition by source_file_id, {{ line_identity }} order by line_number
        ) as copy_no
    from with_superseded
),

with_parts as (
    select
        *,
        row_number() over (
            partition by arrived_on, copy_no, {{ line_identity }}
            order by source_file_id, line_number
        ) as part_no
    from with_copies
)

select
    source_file_id,
    line_number,
    arrived_on,
    owner_uin,
    usage_date,
    last_usage_date,
    paid_on,
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
    is_ours,
    bill_month,
    is_superseded,
    part_no > 1 as is_repeated
from with_parts
