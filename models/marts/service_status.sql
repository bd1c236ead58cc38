{{ config(meta={"only_of": "account_events"}) }}

-- Whether an account is served, as half-open intervals that follow from its events and ledger.
with events as (
    select * from {{ ref('stg_account_events') }}
),

ledger as (
    select * from {{ ref('account_ledger') }}
),

arrears as (
    select * from {{ ref('account_arrears') }}
),

seen as (
    select
        owner_uin,
        occurred_at as seen_at
    from events
    union all
    select
        owner_uin,
        posted_at as seen_at
    from ledger
),

first_seen as (
    select
        owner_uin,
        min(seen_at) as first_seen_at
    from seen
    group by owner_uin
),

activations as (
    select
        owner_uin,
        event_id,
        -- In effect after 5 minutes.
        occurred_at + interval 5 minute as active_from,
        row_number() over (partition by owner_uin order by occurred_at, event_id) as activation
    from events
    where event_type = 'activate'
),

accounts as (
    select
        first_seen.owner_uin,
        first_seen.first_seen_at,
        activations.active_from,
        activations.event_id
    from first_seen
    left join activations
        on
            first_seen.owner_uin = activations.owner_uin
            and activations.activation = 1
            and activations.active_from < {{ end_of_settled_time() }}
),

turns as (
    select
        owner_uin,
        'arrears' as status,
        since as turned_at,
        reason
    from arrears
    union all
    select
        owner_uin,
        'suspended' as status,
        stops_at as turned_at,
        reason
    from arrears
    where (ended_at is null or ended_at > stops_at) and stops_at < {{ end_of_settled_time() }}
    union all
    select
        owner_uin,
        'active' as status,
        ended_at as turned_at,
        ended_by as reason
    from arrears
    where ended_at is not null
),

-- Until it is activated an account is not served, whatever it owes. Its debt at activation decides
-- the status that it starts with.
turned_before as (
    select
        turns.owner_uin,
        turns.status,
        turns.reason,
        row_number() over (
            partition by turns.owner_uin
            order by turns.turned_at desc, {{ active_last('turns.status') }}
        ) as back
    from turns
    inner join accounts on turns.owner_uin = accounts.owner_uin
    where turns.turned_at <= accounts.active_from
),

intervals as (
    select
        owner_uin,
        'not_activated' as status,
        first_seen_at as valid_from,
        'not activated by the main account' as reason
    from accounts
    union all
    select
        accounts.owner_uin,
        coalesce(turned_before.status, 'active') as status,
        accounts.active_from as valid_from,
        case
            when turned_before.status in ('arrears', 'suspended') then turned_before.reason
            else accounts.event_id
        end as reason
    from accounts
    left join turned_before
        on accounts.owner_uin = turned_before.owner_uin and turned_before.back = 1
    where accounts.active_from is not null
    union all
    select
        turns.owner_uin,
        turns.status,
        turns.turned_at as valid_from,
        turns.reason
    from turns
    inner join accounts on turns.owner_uin = accounts.owner_uin
    where turns.turned_at > accounts.active_from
),

-- An account may pay and fall into arrears again at one instant: the later status counts.
numbered as (
    select
        *,
        row_number() over (
            partition by owner_uin, valid_from order by {{ active_last('status') }}
        ) as at_instant
    from intervals
)

select
    owner_uin,
    status,
    valid_from,
    lead(valid_from) over (partition by owner_uin order by valid_from) as valid_to,
    reason
from numbered
where at_instant = 1
