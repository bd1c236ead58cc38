-- Account events that count and are known by the last settled day, each once: a line delivered
-- again adds nothing.
with account_events as (
    select * from {{ source('raw', 'account_events') }}
    where settlement_floor <= {{ settle_through() }}
),

event_verdicts as (
    select * from {{ source('ops', 'event_verdicts') }}
),

counting as (
    select account_events.*
    from account_events
    anti join event_verdicts
        on
            account_events.source_file_id = event_verdicts.source_file_id
            and account_events.line_number = event_verdicts.line_number
),

events as (
    select
        event_id,
        min(owner_uin) as owner_uin,
        min(occurred_at) as occurred_at,
        min(event_type) as event_type,
        min(amount) as amount,
        min(settlement_floor) as known_from
    from counting
    group by event_id
)

select * from events
-- Events after the last settled day have not happened yet.
where occurred_at < {{ end_of_settled_time() }}
