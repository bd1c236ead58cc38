-- Lines of the vendor's bills, with whether a bill that came later, or another part of the same
-- one, says them again.
{%- set line_says %}
    owner_uin, user_uin, operate_uin, region, resource_id, product_name, sub_product_name,
    component_type, component_name, transaction_type, order_id, bill_id, fee_begin_time, paid_on,
    used_amount, real_cost
{%- endset %}

with lines as (
    select * from {{ ref('stg_vendor_bills') }}
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
        unnest(generate_series(first_day, last_day, interval 1 day))::date as deducted_on
    from (
        select
            owner_uin,
            is_ours,
            is_adjustment,
            of_product,
            arrived_on,
            greatest(min(deducted_on), of_month - 62) as first_day,
            least(max(deducted_on), of_month + 62) as last_day
        from lines
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
        lines.*,
        coalesce(said_last.arrived_on > lines.arrived_on, false) as is_superseded
    from lines
    left join said_last
        on
            lines.owner_uin = said_last.owner_uin
            and lines.is_ours = said_last.is_ours
            and lines.is_adjustment = said_last.is_adjustment
            and lines.of_product = said_last.of_product
            and lines.deducted_on = said_last.deducted_on
),

-- Files of one arrival are parts of one bill, in which a line that several of them have is one.
numbered as (
    select
        *,
        row_number() over (
            partition by source_file_id, {{ line_says }} order by line_number
        ) as copy_no
    from by_age
),

parted as (
    select
        *,
        row_number() over (
            partition by arrived_on, copy_no, {{ line_says }} order by source_file_id, line_number
        ) as part_no
    from numbered
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
    list_price,
    discount,
    unit_price,
    real_cost,
    known_component_code,
    is_adjustment,
    is_ours,
    of_month,
    is_superseded,
    part_no > 1 as is_repeated
from parted
