-- The view raw.waivers shows the lines of every delivery.
create table if not exists raw.waivers_loaded (
    source_file_id varchar not null,
    line_number bigint not null,
    waiver_id varchar not null,
    owner_uin varchar not null,
    usage_date date not null,
    component_code varchar not null,
    -- So many of the day's calls, or the one call of a request id: one of them is null.
    calls bigint,
    request_id varchar,
    -- `reason` in the file.
    waiver_reason varchar not null,
    settlement_floor date not null,
    arrived_on date not null,
    -- The line's own texts, as a JSON object.
    fields varchar not null
);
