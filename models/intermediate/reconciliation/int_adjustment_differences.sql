-- Why our precision adjustment (月度计费精度差异) of a month differs from the vendor's, where the
-- vendor's bill shows one. It covers all products of the account.
with vendor_lines as (
    select * from {{ ref('vendor_bill_lines') }}
),

settlements as (
    select * from {{ ref('settlements') }}
),

adjustments as (
    select * from {{ ref('precision_adjustments') }}
),

vendor_adjustments as (
    select
        owner_uin,
        bill_month,
        sum(vendor_cost) as vendor_cost
    from vendor_lines
    where status = 'adjustment'
    group by owner_uin, bill_month
),

settled as (
    select
        owner_uin,
        bill_month,
        count(*) as deductions
    from settlements
    group by owner_uin, bill_month
),

vendor_line_counts as (
    select
        owner_uin,
        bill_month,
        count_if(status = 'usage') as lines_of_ours,
        count_if(status = 'other_product') as lines_of_others
    from vendor_lines
    group by owner_uin, bill_month
),

-- Each deduction can be off by less than 0.01, and the two sides may have split them differently.
allowed as (
    select
        vendor_line_counts.owner_uin,
        vendor_line_counts.bill_month,
        cast(0.01 as decimal(3, 2)) * (
            greatest(vendor_line_counts.lines_of_ours, coalesce(settled.deductions, 0))
            + vendor_line_counts.lines_of_others
        ) as rounding
    from vendor_line_counts
    left join settled
        on
            vendor_line_counts.owner_uin = settled.owner_uin
            and vendor_line_counts.bill_month = settled.bill_month
),

compared as (
    select
        vendor_adjustments.owner_uin,
        vendor_adjustments.bill_month,
        adjustments.owner_uin is not null as in_our_bill,
        coalesce(adjustments.adjustment_amount, 0) as real_cost,
        vendor_adjustments.vendor_cost,
        vendor_adjustments.vendor_cost - coalesce(adjustments.adjustment_amount, 0)
            as cost_difference,
        allowed.rounding as allowed_rounding
    from vendor_adjustments
    left join adjustments
        on
            vendor_adjustments.owner_uin = adjustments.owner_uin
            and vendor_adjustments.bill_month = adjustments.bill_month
    inner join allowed
        on
            vendor_adjustments.owner_uin = allowed.owner_uin
            and vendor_adjustments.bill_month = allowed.bill_month
)

select
    owner_uin,
    bill_month,
    in_our_bill,
    real_cost,
    vendor_cost,
    case when in_our_bill then 0 else cost_difference end as missing_difference,
    case
        when in_our_bill and abs(cost_difference) < allowed_rounding then cost_difference
        else 0
    end as rounding_difference,
    case
        when in_our_bill and abs(cost_difference) >= allowed_rounding then cost_difference
        else 0
    end as unexplained_difference
from compared
