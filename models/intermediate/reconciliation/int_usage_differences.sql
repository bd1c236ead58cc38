-- Why the two bills differ on a usage date: calls and CNY by cause.
{%- set per_unit = "coalesce(components.calls_per_price_unit, 1)" %}
{%- set with_period = "(compared.calls + in_other_periods.period_calls)" %}

with compared as (
    select * from {{ ref('int_usage_compared') }}
),

in_other_periods as (
    select * from {{ ref('int_usage_in_other_periods') }}
),

packages as (
    select * from {{ ref('int_vendor_packages') }}
),

components as (
    select * from {{ ref('components') }}
),

explained as (
    select
        compared.*,
        in_other_periods.period_calls,
        coalesce(packages.package_calls, 0) as vendor_package_calls,
        compared.more_calls - in_other_periods.period_calls as volume_calls,
        compared.more_calls = 0 and compared.vendor_cost = compared.real_cost as is_equal,
        -- Only one side has the calls, also in other periods.
        compared.in_our_bill <> compared.in_vendor_bill
        and (
            compared.more_calls <> in_other_periods.period_calls
            or components.component_code is null
        ) as is_missing,
        {{ cost_at('compared.calls', per_unit, 'compared.price') }} as our_cost,
        {{ cost_at(with_period, per_unit, 'compared.price') }} as cost_with_period,
        {{ cost_at('compared.vendor_calls', per_unit, 'compared.price') }} as cost_of_theirs,
        compared.our_prices > 1
        or compared.their_prices > 1
        or coalesce(compared.vendor_price <> compared.price, compared.their_prices > 0)
            as prices_differ
    from compared
    inner join in_other_periods
        on
            compared.owner_uin = in_other_periods.owner_uin
            and compared.bill_month = in_other_periods.bill_month
            and compared.usage_date = in_other_periods.usage_date
            and compared.component_code = in_other_periods.component_code
    left join packages
        on
            compared.owner_uin = packages.owner_uin
            and compared.bill_month = packages.bill_month
            and compared.usage_date = packages.usage_date
            and compared.component_code = packages.component_code
    left join components on compared.component_code = components.component_code
),

parts as (
    select
        *,
        vendor_cost - real_cost as cost_difference,
        cost_with_period - our_cost as period_difference,
        -- What prices make of the difference beyond one price for all calls.
        (expected_cost - cost_of_theirs) - (real_cost - our_cost) as beyond_one_price,
        vendor_cost - expected_cost - unexplained as rounded
    from explained
),

usage_differences as (
    select
        owner_uin,
        bill_month,
        usage_date,
        component_code,
        in_our_bill,
        calls,
        vendor_calls,
        period_calls,
        case when is_missing then volume_calls else 0 end as missing_calls,
        case when is_missing then 0 else volume_calls end as volume_calls,
        -- Of these, calls that are fewer there because packages paid for them.
        case
            when is_missing then 0
            else least(greatest(-volume_calls, 0), vendor_package_calls)
        end as package_calls,
        real_cost,
        vendor_cost,
        contract_price,
        vendor_price,
        case when is_missing then cost_difference - period_difference - unexplained else 0 end
            as missing_difference,
        period_difference,
        case when is_missing then 0 else cost_of_theirs - cost_with_period end as volume_difference,
        case when prices_differ and not is_missing and not is_equal then beyond_one_price else 0 end
            as price_difference,
        case
            when is_missing or is_equal then 0
            when prices_differ then rounded
            else rounded + beyond_one_price
        end as rounding_difference,
        case when is_equal then 0 else unexplained end as unexplained_difference
    from parts
)

select * from usage_differences
