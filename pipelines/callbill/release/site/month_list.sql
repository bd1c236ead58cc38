-- A month's bills, one for each account and product, in files of so many rows.
with bills as (
    select
        *,
        (row_number() over (order by owner_uin, product_code) - 1) // {{ rows_a_file }} as file_no
    from billing.monthly_bills
    where bill_month = date '{{ month }}'
)

select
    file_no,
    min(owner_uin) as first_owner,
    to_json(list({{ bills }} order by owner_uin, product_code)) as script
from bills
group by file_no
order by file_no
