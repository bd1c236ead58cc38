{{ config(meta={"only_of": "account_events"}) }}

-- Every movement of an account's money in value-date order, with what stands after it.
with events as (
    select * from {{ ref('stg_account_events') }}
),

settlements as (
    select * from {{ ref('settlements') }}
),

accounts as (
    select distinct owner_uin from events
),

entries as (
    select
        owner_uin,
        occurred_at as posted_at,
        known_from,
        event_type as entry_type,
        case
            when event_type in ('block', 'adjust_deduct') then -amount
            else amount
        end as amount,
        event_id as reference
    from events
    where event_type <> 'activate'
    union all
    select
        settlements.owner_uin,
        {{ deducted_at('settlements.settled_on') }} as posted_at,
        settlements.settled_on as known_from,
        'deduction' as entry_type,
        -settlements.deducted_amount as amount,
        {{ settlement_reference('settlements') }} as reference
    from settlements
    inner join accounts on settlements.owner_uin = accounts.owner_uin
    where settlements.deducted_amount <> 0
),

numbered as (
    select
        *,
        row_number() over (
            partition by owner_uin
            -- At one instant increases come first.
            order by posted_at, case when amount > 0 then 0 else 1 end, reference
        ) as entry_no,
        -- Grants add to free credit (赠送金); deductions use it before cash.
        case
            when entry_type = 'credit_grant' or (entry_type = 'deduction' and amount < 0)
                then amount
            else 0
        end as credit_change,
        case when entry_type in ('block', 'unblock') then -amount else 0 end as frozen_change
    from entries
),

summed as (
    select
        *,
        {{ running_sum('credit_change') }} as granted_less_taken,
        {{ running_sum('amount + frozen_change') }} as balance,
        {{ running_sum('frozen_change') }} as frozen
    from numbered
),

credited as (
    select
        *,
        -- Credit never falls below zero: the rest is taken from cash.
        granted_less_taken - least(
            0,
            min(granted_less_taken) over (
                partition by owner_uin order by entry_no rows unbounded preceding
            )
        ) as credit
    from summed
),

split as (
    select
        *,
        credit - lag(credit, 1, 0) over (partition by owner_uin order by entry_no)
            as credit_amount
    from credited
)

select
    owner_uin,
    cast(entry_no as bigint) as entry_no,
    posted_at,
    known_from,
    entry_type,
    cast(amount as decimal(18, 2)) as amount,
    cast(credit_amount as decimal(18, 2)) as credit_amount,
    cast(amount + frozen_change - credit_amount as decimal(18, 2)) as cash_amount,
    cast(balance as decimal(18, 2)) as balance,
    cast(credit as decimal(18, 2)) as credit,
    cast(frozen as decimal(18, 2)) as frozen,
    cast(balance - frozen as decimal(18, 2)) as available,
    reference
from split
