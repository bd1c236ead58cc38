{{ config(meta={"only_of": "account_events"}) }}

-- Periods in arrears: from the deduction that makes a balance negative to the entry that ends it.
with ledger as (
    select
        *,
        balance < 0 as is_negative
    from {{ ref('account_ledger') }}
),

changes as (
    select
        *,
        case
            when is_negative = lag(is_negative) over (partition by owner_uin order by entry_no)
                then 0
            else 1
        end as is_change
    from ledger
),

stretches as (
    select
        *,
        {{ running_sum('is_change') }} as stretch
    from changes
),

begun as (
    select
        owner_uin,
        stretch,
        min(posted_at) as since,
        min_by(reference, entry_no) as reason
    from stretches
    where is_negative and entry_type = 'deduction' and amount < 0
    group by owner_uin, stretch
),

ended as (
    select
        owner_uin,
        stretch,
        min(posted_at) as ended_at,
        min_by(reference, entry_no) as ended_by
    from stretches
    where not is_negative
    group by owner_uin, stretch
)

select
    begun.owner_uin,
    begun.since,
    begun.since + interval 24 hour as stops_at,
    ended.ended_at,
    begun.reason,
    ended.ended_by
from begun
left join ended
    on
        begun.owner_uin = ended.owner_uin
        and begun.stretch + 1 = ended.stretch
