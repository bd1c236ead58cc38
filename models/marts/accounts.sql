-- Every account that called, was billed or had an event: its name, when it was used, how it stands.
with daily_usage as (
    select * from {{ ref('daily_usage') }}
),

monthly_bills as (
    select * from {{ ref('monthly_bills') }}
),

account_ledger as (
    select * from {{ ref('account_ledger') }}
),

service_status as (
    select * from {{ ref('service_status') }}
),

arrears_notices as (
    select * from {{ ref('arrears_notices') }}
),

names as (
    select * from {{ ref('account_names') }}
),

owners as (
    select owner_uin from daily_usage
    union
    select owner_uin from monthly_bills
    union
    select owner_uin from account_ledger
    union
    select owner_uin from service_status
),

used as (
    select
        owner_uin,
        min(usage_date) as first_usage_date,
        max(usage_date) as last_usage_date
    from daily_usage
    group by owner_uin
),

billed as (
    select
        owner_uin,
        max(bill_month) as last_bill_month
    from monthly_bills
    group by owner_uin
),

balances as (
    select
        owner_uin,
        max_by(balance, entry_no) as balance,
        max_by(available, entry_no) as available
    from account_ledger
    group by owner_uin
),

accounts as (
    select
        owners.owner_uin,
        names.account_name,
        names.tags,
        used.first_usage_date,
        used.last_usage_date,
        billed.last_bill_month,
        service_status.status,
        service_status.valid_from as status_since,
        balances.balance,
        balances.available,
        -- Without a ledger nothing is known of what is due.
        cast(
            case
                when balances.balance is not null then coalesce(arrears_notices.amount_due, 0)
            end as decimal(18, 2)
        ) as amount_due
    from owners
    left join names on owners.owner_uin = names.account_uin
    left join used on owners.owner_uin = used.owner_uin
    left join billed on owners.owner_uin = billed.owner_uin
    left join balances on owners.owner_uin = balances.owner_uin
    left join service_status
        on owners.owner_uin = service_status.owner_uin and service_status.valid_to is null
    left join arrears_notices on owners.owner_uin = arrears_notices.owner_uin
)

select * from accounts
