-- All accounts as they stand: service, balance, what is due, and the last month with a bill.
with owners as (
    select
        owner_uin,
        bill_month
    from billing.monthly_bills
    union
    select
        owner_uin,
        null as bill_month
    from billing.daily_usage
    union
    select
        owner_uin,
        null as bill_month
    from billing.service_status
),

last_months as (
    select
        owner_uin,
        max(bill_month) as bill_month
    from owners
    group by owner_uin
),

balances as (
    select
        owner_uin,
        max_by(balance, entry_no) as balance,
        max_by(available, entry_no) as available
    from billing.account_ledger
    group by owner_uin
),

accounts as (
    select
        last_months.owner_uin,
        service_status.status,
        balances.balance,
        balances.available,
        arrears_notices.amount_due,
        last_months.bill_month
    from last_months
    left join balances
        on last_months.owner_uin = balances.owner_uin
    left join billing.arrears_notices
        on last_months.owner_uin = arrears_notices.owner_uin
    left join billing.service_status
        on
            last_months.owner_uin = service_status.owner_uin
            and service_status.valid_to is null
)

select to_json(coalesce(list({{ accounts }} order by owner_uin), [])) from accounts
