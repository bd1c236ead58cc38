-- A month's bills, one for each account and product.
with bills as (
    select * from billing.monthly_bills
    where bill_month = date '{{ month }}'
)

select to_json(coalesce(list({{ bills }} order by owner_uin, product_code), [])) from bills
