-- Our lines of accounts that have a vendor's bill, and whether that bill can hold each line. What
-- packages cover is not in the vendor's quantities, and so not in ours here.
with lines as (
    select * from {{ ref('bill_lines') }}
    where package_id is null
),

vendor_lines as (
    select * from {{ ref('vendor_bill_lines') }}
),

-- A bill can hold what was settled by the day on which it arrived. It can hold usage of the day
-- before only if it has a deduction of its day of arrival.
covered as (
    select
        owner_uin,
        bill_month,
        max(arrived_on) as known_on,
        max(
            case
                when coalesce(deducted_on, usage_date + 1) >= arrived_on
                    then arrived_on
            end
        ) as deducted_on
    from vendor_lines
    group by owner_uin, bill_month
),

vendor_usage as (
    select distinct
        owner_uin,
        bill_month,
        usage_date,
        component_code
    from vendor_lines
    where status = 'usage'
),

placed_lines as (
    select
        lines.*,
        vendor_usage.owner_uin is not null as in_vendor_bill,
        coalesce(lines.settled_on <= covered.known_on, false)
        and (
            lines.usage_date < covered.known_on - 1
            or coalesce(covered.deducted_on = covered.known_on, false)
        ) as is_covered
    from lines
    left join covered
        on lines.owner_uin = covered.owner_uin and lines.bill_month = covered.bill_month
    left join vendor_usage
        on
            lines.owner_uin = vendor_usage.owner_uin
            and lines.bill_month = vendor_usage.bill_month
            and lines.usage_date = vendor_usage.usage_date
            and lines.component_code = vendor_usage.component_code
    where lines.owner_uin in (select c.owner_uin from covered as c)
)

select
    owner_uin,
    bill_month,
    usage_date,
    component_code,
    settled_on,
    calls,
    contract_price,
    real_cost,
    -- Usage that the vendor billed before we had settled any of it is compared once we have.
    is_covered or (
        in_vendor_bill
        and not bool_or(is_covered) over (
            partition by owner_uin, bill_month, usage_date, component_code
        )
    ) as is_comparable
from placed_lines
