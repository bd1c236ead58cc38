with standing as (
    select
        owner_uin,
        status,
        -- An account had no service before its first interval: it was not activated.
        coalesce(lag(valid_to) over past, timestamptz '-infinity') as valid_from,
        coalesce(valid_to, timestamptz 'infinity') as valid_to
    from billing.service_status
    window past as (partition by owner_uin order by valid_from)
),

-- The instant from which the events of the due dates say something new of an account.
news as (
    select
        owner_uin,
        case
            when min(known_from) < date '{{ settle_from }}'
                then min(occurred_at) filter (where known_from >= date '{{ settle_from }}')
            else timestamptz '-infinity'
        end as since
    from staging.stg_account_events
    group by owner_uin
    having max(known_from) >= date '{{ settle_from }}'
),

charged as (
    select
        request_id,
        owner_uin,
        called_at,
        settled_on
    from billing.calls
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and calls_billed > 0
    union all
    select
        calls.request_id,
        calls.owner_uin,
        calls.called_at,
        calls.settled_on
    from billing.calls
    inner join news on calls.owner_uin = news.owner_uin and calls.called_at >= news.since
    where calls.settled_on < date '{{ settle_from }}' and calls.calls_billed > 0
)

select
    charged.request_id,
    charged.owner_uin,
    charged.called_at,
    charged.settled_on,
    standing.status,
    standing.valid_from,
    standing.valid_to
from charged
inner join standing
    on
        charged.owner_uin = standing.owner_uin
        and charged.called_at >= standing.valid_from
        and charged.called_at < standing.valid_to
where standing.status in ('suspended', 'not_activated')
