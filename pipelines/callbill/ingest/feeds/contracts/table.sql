-- The view raw.contracts shows the lines of every delivery.
create table if not exists raw.contracts_loaded (
    source_file_id varchar not null,
    line_number bigint not null,
    owner_uin varchar not null,
    component_code varchar not null,
    effective_from date not null,
    effective_to date,
    discount decimal(9, 6),
    contract_price decimal(18, 8),
    settlement_floor date not null,
    -- Null if the line was read by version 1 of the reading rules: then it does not tell which of
    -- two files of one floor counts.
    arrived_on date,
    -- The line's own texts, as a JSON object.
    fields varchar not null
);
