-- Months and shares of accounts whose pages may differ now that these dates are settled: bills
-- grew, or more is known of calls, which may even belong to another day than before. When a month
-- ends, its pages say so for all accounts; then the share is −1. Without a month, accounts as they
-- stand: also those whose money moved, or whose service changed by time alone.
with billed as (
    select
        bill_month,
        owner_uin
    from billing.settlements
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
),

used as (
    select
        cast(date_trunc('month', usage_date) as date) as usage_month,
        owner_uin
    from intermediate.int_daily_usage_changes
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
),

-- Months whose calls a later bill charges, takes back or re-rates: their pages lead there.
charged_later as (
    select distinct
        cast(date_trunc('month', usage_date) as date) as usage_month,
        owner_uin
    from billing.bill_lines
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
),

-- With a day at each end: their times are instants.
moved as (
    select owner_uin
    from billing.account_ledger
    where
        known_from >= date '{{ settle_from }}'
        or posted_at >= date '{{ settle_from }}' - 1
    union
    select owner_uin
    from billing.service_status
    where
        valid_from >= date '{{ settle_from }}' - 1
        or valid_to >= date '{{ settle_from }}' - 1
    union
    select owner_uin from billing.arrears_notices
    union
    select owner_uin
    from billing.contracts
    where
        known_from between date '{{ settle_from }}' and date '{{ settle_through }}'
        or known_to between date '{{ settle_from }}' and date '{{ settle_through }}'
    union
    select owner_uin
    from raw.packages
    where
        settlement_floor between date '{{ settle_from }}' and date '{{ settle_through }}'
        or valid_to between date '{{ settle_from }}' and date '{{ settle_through }}'
)

select
    bill_month,
    share_of(owner_uin) as share_number
from billed
union
select
    usage_month as bill_month,
    share_of(owner_uin) as share_number
from used
union
select
    usage_month as bill_month,
    share_of(owner_uin) as share_number
from charged_later
union
select
    bill_month,
    -1 as share_number
from billing.precision_adjustments
where
    bill_month + interval 1 month
    between date '{{ settle_from }}' and date '{{ settle_through }}'
union
select
    null as bill_month,
    share_of(owner_uin) as share_number
from (
    select owner_uin from billed
    union
    select owner_uin from used
    union
    select owner_uin from moved
) as changed
