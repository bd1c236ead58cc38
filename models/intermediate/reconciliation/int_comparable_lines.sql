-- Our lines of accounts of which there is a bill of the vendor's, and which of them it can hold.
with lines as (
    select * from {{ ref('bill_lines') }}
),

vendor_lines as (
    select * from {{ ref('vendor_bill_lines') }}
),

-- A bill knows what was settled by the day it arrived, but of the day before only if it has
-- something that was deducted on that day. It is of all that its account uses.
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

theirs as (
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
        theirs.owner_uin is not null as in_vendor_bill,
        coalesce(lines.settled_on <= covered.known_on, false)
        and (
            lines.usage_date < covered.known_on - 1
            or coalesce(covered.deducted_on = covered.known_on, false)
        ) as is_known
    from lines
    left join covered
        on lines.owner_uin = covered.owner_uin and lines.bill_month = covered.bill_month
    left join theirs
        on
            lines.owner_uin = theirs.owner_uin
            and lines.bill_month = theirs.bill_month
            and lines.usage_date = theirs.usage_date
            and lines.component_code = theirs.component_code
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
    -- What the vendor had before we had any of it is the same in the end.
    is_known or (
        in_vendor_bill
        and max(case when is_known then 1 else 0 end) over (
            partition by owner_uin, bill_month, usage_date, component_code
        ) = 0
    ) as is_comparable
from placed_lines
