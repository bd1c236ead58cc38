{{ config(meta={"only_of": "account_events"}) }}

-- Accounts in arrears as of the last sealed date, since when, and when service stops or stopped.
with arrears as (
    select * from {{ ref('account_arrears') }}
    where ended_at is null
),

balances as (
    select
        owner_uin,
        max_by(balance, entry_no) as balance
    from {{ ref('account_ledger') }}
    group by owner_uin
)

select
    arrears.owner_uin,
    arrears.since,
    cast(-balances.balance as decimal(18, 2)) as amount_due,
    arrears.stops_at,
    case
        when arrears.stops_at < {{ end_of_settled_time() }} then 'suspended'
        else 'arrears'
    end as state
from arrears
inner join balances on arrears.owner_uin = balances.owner_uin
