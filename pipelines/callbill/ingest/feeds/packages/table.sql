-- The view raw.packages shows the lines of every delivery.
create table if not exists raw.packages_loaded (
    source_file_id varchar not null,
    line_number bigint not null,
    package_id varchar not null,
    owner_uin varchar not null,
    component_code varchar not null,
    calls bigint not null,
    valid_from date not null,
    -- The first date on which it is not valid any more.
    valid_to date not null,
    settlement_floor date not null,
    arrived_on date not null,
    -- The line's own texts, as a JSON object.
    fields varchar not null
);
