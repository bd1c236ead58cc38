create table if not exists raw.contracts (
    source_file_id varchar not null,
    line_number bigint not null,
    owner_uin varchar not null,
    component_code varchar not null,
    effective_from date not null,
    effective_to date,
    discount decimal(9, 6),
    contract_price decimal(18, 8),
    settlement_floor date not null,
    -- The line's own texts, as a JSON object.
    fields varchar not null
);
