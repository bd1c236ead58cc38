-- A month's bills, one for each account and product.
with products as (
    select
        product_code,
        any_value(product_name) as product_name
    from seeds.products
    group by product_code
),

bills as (
    select
        monthly_bills.*,
        products.product_name
    from billing.monthly_bills
    left join products on monthly_bills.product_code = products.product_code
    where monthly_bills.bill_month = date '{{ month }}'
)

select to_json(coalesce(list({{ bills }} order by owner_uin, product_code), [])) from bills
