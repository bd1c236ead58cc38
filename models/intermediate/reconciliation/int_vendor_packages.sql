-- Calls of a usage date that the vendor's packages (资源包) paid for, by its bill.
with lines as (
    select * from {{ ref('int_vendor_bill_lines_priced') }}
),

vendor_packages as (
    select
        owner_uin,
        bill_month,
        usage_date,
        our_component_code as component_code,
        sum(package_calls) as package_calls
    from lines
    where
        package_calls > 0
        and our_component_code is not null
        and not (is_superseded or is_repeated or is_adjustment or is_bill_adjustment)
    group by owner_uin, bill_month, usage_date, our_component_code
)

select * from vendor_packages
