{%- from "in_order.j2" import in_order -%}
-- Accounts of some shares as they stand: bills and usage by month, contracts, status, arrears, and
-- the last movements of money.
with used_by_callers as (
    select
        owner_uin,
        operate_uin,
        date_trunc('month', usage_date) as usage_month,
        sum(calls_received) as calls_received,
        sum(calls_billed) as calls_billed,
        sum(calls_failed) as calls_failed,
        sum(calls_unbilled) as calls_unbilled
    from billing.daily_usage
    where {{ in_shares }}
    group by owner_uin, operate_uin, usage_month
),

used as (
    select
        owner_uin,
        usage_month,
        sum(calls_received) as calls_received,
        sum(calls_billed) as calls_billed,
        sum(calls_failed) as calls_failed,
        sum(calls_unbilled) as calls_unbilled
    from used_by_callers
    group by owner_uin, usage_month
),

last_entries as (
    select *
    from billing.account_ledger
    where {{ in_shares }}
    qualify entry_no > max(entry_no) over (partition by owner_uin) - {{ last_entry_count }}
),

-- The account's own name, and those of whoever called for it.
callers as (
    select
        owner_uin,
        operate_uin as account_uin
    from used_by_callers
    union
    select
        owner_uin,
        owner_uin as account_uin
    from billing.accounts
    where {{ in_shares }}
),

names as (
    select
        callers.owner_uin,
        callers.account_uin,
        account_names.account_name
    from callers
    inner join seeds.account_names as account_names
        on callers.account_uin = account_names.account_uin
),

packages as (
    select
        *,
        valid_from as covers_from,
        valid_to as covers_to
    from billing.package_balances
    where {{ in_shares }}
),

parts as (
    select
        owner_uin,
        'names' as kind,
        {{ in_order(names, ["account_uin"]) }} as shown
    from names
    group by owner_uin
    union all
    select
        owner_uin,
        'months' as kind,
        {{ in_order(months, ["date '9999-12-31' - bill_month", "product_code"]) }} as shown
    from billing.monthly_bills
    where {{ in_shares }}
    group by owner_uin
    union all
    select
        owner_uin,
        'used' as kind,
        {{ in_order(used, ["-epoch_us(usage_month)"]) }} as shown
    from used
    group by owner_uin
    union all
    select
        owner_uin,
        'status' as kind,
        {{ in_order(status, ["-epoch_us(valid_from)"]) }} as shown
    from billing.service_status
    where {{ in_shares }}
    group by owner_uin
    union all
    select
        owner_uin,
        'packages' as kind,
        {{ in_order(packages, [
            "date '9999-12-31' - covers_to", "package_id", "component_code"
        ]) }} as shown
    from packages
    group by owner_uin
    union all
    select
        owner_uin,
        'contracts' as kind,
        {{ in_order(contracts, [
            "component_code", "date '9999-12-31' - effective_from",
            "date '9999-12-31' - known_from", "discount", "contract_price", "effective_to"
        ]) }} as shown
    from billing.contracts
    where {{ in_shares }}
    group by owner_uin
    union all
    select
        owner_uin,
        'arrears' as kind,
        {{ in_order(arrears, ["-epoch_us(since)"]) }} as shown
    from billing.account_arrears
    where {{ in_shares }}
    group by owner_uin
    union all
    select
        owner_uin,
        'notice' as kind,
        {{ in_order(notice, []) }} as shown
    from billing.arrears_notices
    where {{ in_shares }}
    group by owner_uin
    union all
    select
        owner_uin,
        'entries' as kind,
        {{ in_order(entries, ["-entry_no"]) }} as shown
    from last_entries
    group by owner_uin
)

{% include "by_share.sql" %}
