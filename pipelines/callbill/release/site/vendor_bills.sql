{# What is known of the vendor's bills beside the rows that are compared, for an account and month. #}
vendor_lines as (
    select
        owner_uin,
        bill_month,
        max(arrived_on) as arrived_on,
        count(*) filter (where status = 'bill_adjustment') as corrected_lines,
        coalesce(sum(vendor_cost) filter (where status = 'bill_adjustment'), 0) as corrected_cost,
        count(*) filter (where status = 'other_product') as other_lines
    from billing.vendor_bill_lines
    where status not in ('superseded', 'repeated')
    group by owner_uin, bill_month
),

-- Our lines that are compared, of all of the month.
compared_costs as (
    select
        owner_uin,
        bill_month,
        sum(real_cost) filter (where component_code <> 'billVirtualId') as real_cost
    from billing.reconciliation
    group by owner_uin, bill_month
),

our_costs as (
    select
        owner_uin,
        bill_month,
        sum(rated_amount) as rated_amount
    from billing.monthly_bills
    where bill_month in (select bill_month from billing.reconciliation)
    group by owner_uin, bill_month
),

vendor_bills as (
    select
        compared_costs.owner_uin,
        compared_costs.bill_month,
        vendor_lines.arrived_on,
        coalesce(vendor_lines.corrected_lines, 0) as corrected_lines,
        cast(coalesce(vendor_lines.corrected_cost, 0) as decimal(38, 8)) as corrected_cost,
        coalesce(vendor_lines.other_lines, 0) as other_lines,
        cast(
            coalesce(our_costs.rated_amount, 0) - coalesce(compared_costs.real_cost, 0)
            as decimal(38, 8)
        ) as settled_since
    from compared_costs
    left join vendor_lines
        on
            compared_costs.owner_uin = vendor_lines.owner_uin
            and compared_costs.bill_month = vendor_lines.bill_month
    left join our_costs
        on
            compared_costs.owner_uin = our_costs.owner_uin
            and compared_costs.bill_month = our_costs.bill_month
)
