-- Calls and cost of a usage date in the vendor's bill and in ours.
{#- The price of the last settlement date: of calls that it charges, not of those it takes back. #}
{%- set latest_price %}
        max_by(contract_price, concat(cast(settled_on as varchar), cast(calls > 0 as varchar)))
{%- endset %}

with our_lines as (
    select * from {{ ref('int_comparable_lines') }}
),

vendor_lines as (
    select * from {{ ref('vendor_bill_lines') }}
),

ours as (
    select
        owner_uin,
        bill_month,
        usage_date,
        component_code,
        sum(calls) as calls,
        sum(real_cost) as real_cost,
        {{ latest_price }} as contract_price,
        count(distinct contract_price) as prices
    from our_lines
    where is_comparable
    group by owner_uin, bill_month, usage_date, component_code
),

theirs as (
    select
        owner_uin,
        bill_month,
        usage_date,
        component_code,
        sum(coalesce(calls, 0)) as calls,
        sum(vendor_cost) as real_cost,
        sum(expected_cost) as expected_cost,
        sum(case when is_explained then 0 else vendor_cost - expected_cost end) as unexplained,
        max(vendor_price) as price,
        count(distinct vendor_price)
        + max(case when calls is not null and vendor_price is null then 1 else 0 end) as prices
    from vendor_lines
    where status = 'usage'
    group by owner_uin, bill_month, usage_date, component_code
),

-- Our lines that no vendor's bill can hold so far.
not_comparable as (
    select
        owner_uin,
        usage_date,
        component_code,
        {{ latest_price }} as contract_price
    from our_lines
    where not is_comparable
    group by owner_uin, usage_date, component_code
),

keys as (
    select
        owner_uin,
        bill_month,
        usage_date,
        component_code
    from ours
    union
    select
        owner_uin,
        bill_month,
        usage_date,
        component_code
    from theirs
),

compared as (
    select
        keys.owner_uin,
        keys.bill_month,
        keys.usage_date,
        keys.component_code,
        ours.owner_uin is not null as in_our_bill,
        theirs.owner_uin is not null as in_vendor_bill,
        coalesce(ours.calls, 0) as calls,
        coalesce(theirs.calls, 0) as vendor_calls,
        coalesce(theirs.calls, 0) - coalesce(ours.calls, 0) as more_calls,
        coalesce(ours.real_cost, 0) as real_cost,
        coalesce(theirs.real_cost, 0) as vendor_cost,
        coalesce(theirs.expected_cost, 0) as expected_cost,
        coalesce(theirs.unexplained, 0) as unexplained,
        coalesce(
            ours.contract_price,
            not_comparable.contract_price,
            theirs.price,
            cast(0 as decimal(18, 8))
        ) as price,
        ours.contract_price,
        theirs.price as vendor_price,
        coalesce(ours.prices, 0) as our_prices,
        coalesce(theirs.prices, 0) as their_prices
    from keys
    left join ours
        on
            keys.owner_uin = ours.owner_uin
            and keys.bill_month = ours.bill_month
            and keys.usage_date = ours.usage_date
            and keys.component_code = ours.component_code
    left join theirs
        on
            keys.owner_uin = theirs.owner_uin
            and keys.bill_month = theirs.bill_month
            and keys.usage_date = theirs.usage_date
            and keys.component_code = theirs.component_code
    left join not_comparable
        on
            keys.owner_uin = not_comparable.owner_uin
            and keys.usage_date = not_comparable.usage_date
            and keys.component_code = not_comparable.component_code
)

select * from compared
