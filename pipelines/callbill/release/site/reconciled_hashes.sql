-- Months with a vendor bill, and a hash of what reconciled_accounts.sql shows of each share.
with {% include "vendor_bills.j2" %},

shown_rows as (
    select
        owner_uin,
        bill_month,
        to_json({{ reconciled }}) as shown
    from billing.reconciliation
    union all
    select
        owner_uin,
        bill_month,
        to_json({{ vendor_bill }}) as shown
    from vendor_bills
)

select
    bill_month,
    share_of(owner_uin) as share_number,
    md5(string_agg(owner_uin || shown, chr(10) order by owner_uin, shown)) as content_hash
from shown_rows
group by bill_month, share_number
order by bill_month desc, share_number asc
