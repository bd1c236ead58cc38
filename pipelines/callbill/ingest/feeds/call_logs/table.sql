-- The columns of raw.call_logs, which is a view over Parquet files in folders by settlement_floor.
create or replace view raw.call_logs_layout as
select
    null::varchar as request_id,
    null::timestamptz as called_at,
    null::varchar as owner_uin,
    null::varchar as operate_uin,
    null::varchar as action,
    null::varchar as region,
    null::integer as http_status,
    null::varchar as error_code,
    null::integer as latency_ms,
    -- Such as edition=flagship;region=ap-guangzhou, see base/attributes.py.
    null::varchar as attributes,
    null::date as usage_date,
    null::date as settled_on,
    null::varchar as source_file_id
where false;
