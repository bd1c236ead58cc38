-- Account events that count and are known by the last settled day, each once: a line delivered
-- again adds nothing.
with account_events as (
    select *
    from {{ source('raw', 'account_events') }}
    anti join {{ source('ops', 'event_verdicts') }} using (source_file_id, line_number)
    where settlement_floor <= {{ settle_through() }}
),

events as (
    select
        event_id,
        min(owner_uin) as owner_uin,
        min(occurred_at) as occurred_at,
        min(event_type) as event_type,
        min(amount) as amount,
        min(settlement_floor) as known_from
    from account_events
    group by event_id
)

select * from events
-- Events after the last settled day have not happened yet.
where occurred_at < {{ end_of_settled_time() }}
