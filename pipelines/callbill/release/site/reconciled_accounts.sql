{%- from "in_order.j2" import in_order -%}
-- The vendor's bills of a month beside ours, of the accounts of some shares.
with {% include "vendor_bills.j2" %},

parts as (
    select
        owner_uin,
        'reconciled' as kind,
        {{ in_order(reconciled, ["usage_date", "component_code"]) }} as shown
    from billing.reconciliation
    where bill_month = date '{{ month }}' and {{ in_shares }}
    group by owner_uin
    union all
    select
        owner_uin,
        'vendor_bill' as kind,
        {{ in_order(vendor_bill, []) }} as shown
    from vendor_bills
    where bill_month = date '{{ month }}' and {{ in_shares }}
    group by owner_uin
)

{% include "by_share.sql" %}
