-- The view raw.account_attributes shows the lines of every delivery.
create table if not exists raw.account_attributes_loaded (
    source_file_id varchar not null,
    line_number bigint not null,
    owner_uin varchar not null,
    attribute varchar not null,
    value varchar not null,
    effective_from date not null,
    settlement_floor date not null,
    arrived_on date not null,
    -- The line's own texts, as a JSON object.
    fields varchar not null
);
