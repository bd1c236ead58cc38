-- Accepted account events. Those that do not count, because of other events, are in
-- ops.event_verdicts too.
create table if not exists raw.account_events (
    source_file_id varchar not null,
    line_number bigint not null,
    event_id varchar not null,
    owner_uin varchar not null,
    operate_uin varchar not null,
    occurred_at timestamptz not null,
    event_type varchar not null,
    amount decimal(18, 2),
    memo varchar,
    settlement_floor date not null,
    -- The line's own texts, as a JSON object.
    fields varchar not null
);
