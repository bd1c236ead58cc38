-- The tables that the job itself keeps, beside those that dbt builds.
create schema if not exists raw;
create schema if not exists ops;

create table if not exists ops.warehouse (
    id integer primary key,
    schema_version integer not null,
    built_through date
);

-- One row per run of the job, also of those that failed, and per file withdrawn or read again.
create table if not exists ops.runs (
    run_id varchar primary key,
    callbill_version varchar not null,
    -- The user and the machine that started it; null of runs before 0.2.
    started_by varchar,
    started_at timestamptz not null,
    finished_at timestamptz,
    through_date date,
    settle_from date,
    outcome varchar not null,
    files_loaded bigint,
    lines_read bigint,
    records_accepted bigint,
    records_rejected bigint,
    message varchar,
    step_seconds varchar
);

-- One row per file content that was ever loaded, known by feed and SHA-256, as its lines were
-- judged by themselves. `ops.source_files` adds what became of account events beside others.
create table if not exists ops.loaded_files (
    source_file_id varchar not null,
    feed varchar not null,
    path varchar not null,
    format varchar not null,
    arrived_on date not null,
    settlement_floor date not null,
    size_bytes bigint not null,
    lines_read bigint not null,
    records_accepted bigint not null,
    records_rejected bigint not null,
    run_id varchar not null,
    loaded_at timestamptz not null,
    -- Why it was withdrawn before any of its dates was sealed; null if it counts.
    quarantine_reason varchar,
    -- The version of the reading rules that it was read by, and the SHA-256 of its log shape.
    reading_rules integer not null default 1,
    shape_sha256 varchar,
    primary key (feed, source_file_id)
);

-- Rejected lines that were read again and accepted, from a floor of their own on.
create table if not exists ops.retries (
    source_file_id varchar not null,
    feed varchar not null,
    settlement_floor date not null,
    line_numbers bigint[] not null,
    run_id varchar not null,
    reading_rules integer not null default 1,
    -- The rejects that they were, for as long as they may be withdrawn.
    rejects struct(
        line_number bigint, reason varchar, detail varchar, fields varchar, run_id varchar
    )[]
);

-- What was not accepted: a line with its number and reason, or a whole file (no line number).
create table if not exists ops.rejected_lines (
    source_file_id varchar not null,
    feed varchar not null,
    path varchar not null,
    line_number bigint,
    reason varchar not null,
    detail varchar,
    fields varchar,
    line_length bigint,
    line_sha256 varchar,
    run_id varchar not null
);

-- Account events that are right by themselves and do not count beside those known before them. Each
-- run judges all events; the verdicts are the only thing that it writes of them.
create table if not exists ops.event_verdicts (
    source_file_id varchar not null,
    line_number bigint not null,
    reason varchar not null,
    primary key (source_file_id, line_number)
);

create table if not exists ops.control_results (
    run_id varchar not null,
    control_id varchar not null,
    severity varchar not null,
    sentence varchar not null,
    passed boolean not null,
    expected varchar not null,
    unexpected_rows bigint not null,
    sample varchar not null
);

-- One row per sealed settlement date: what `published/current` says, as of the last run.
create table if not exists ops.sealed_settlements (
    settled_on date primary key,
    content_hash varchar not null,
    run_id varchar not null,
    -- The versions of the rules by which it was billed and hashed.
    billing_rules integer not null default 1,
    hash_recipe integer not null default 1
);

-- The dates that the run at hand settles; the models read it to know what is due.
create table if not exists ops.settlement_window (
    settle_from date not null,
    settle_through date not null,
    -- The version of the billing rules that they are settled by.
    billing_rules integer not null default 1
);

-- The rows of the catalogue (the seeds), with the first settlement date that each counts for.
create table if not exists ops.catalogue_rows (
    seed varchar not null,
    row varchar[] not null,
    counts_from date not null
);

-- Directory entries whose content is known, so that a file is hashed once.
create table if not exists ops.landing_entries (
    path varchar primary key,
    size_bytes bigint not null,
    mtime_ns bigint not null,
    inode bigint not null,
    source_file_id varchar not null
);

-- Files of which a path held another content when it was loaded, or that are gone.
create table if not exists ops.landing_changes (
    path varchar not null,
    was_source_file_id varchar not null,
    was_bytes bigint not null,
    -- Null if the file is gone.
    source_file_id varchar,
    size_bytes bigint,
    -- The last date that the run which noticed it was to settle.
    known_from date not null
);

-- What `<file>.manifest.json` announces of the file beside it.
create table if not exists ops.landing_manifests (
    path varchar primary key,
    size_bytes bigint not null,
    mtime_ns bigint not null,
    inode bigint not null,
    file_path varchar not null,
    records bigint,
    sha256 varchar,
    problem varchar,
    known_from date not null
);

-- The Parquet files behind raw.call_logs that were committed.
create table if not exists ops.raw_files (
    file_name varchar primary key
);

-- What a night leaves of calls with several records, written by the model int_calls_again. Others
-- read it before that, so it is there before the first night.
create schema if not exists intermediate;

create table if not exists intermediate.int_calls_again (
    request_id varchar,
    settled_on date,
    usage_date date,
    called_at timestamptz,
    owner_uin varchar,
    operate_uin varchar,
    component_code varchar,
    region varchar,
    error_code varchar,
    source_file_id varchar,
    records bigint,
    disposition varchar,
    calls_billed bigint,
    request_hash ubigint,
    has_failure boolean,
    first_owner varchar,
    last_owner varchar,
    first_component varchar,
    last_component varchar,
    void_on date,
    chargeable_on date,
    chargeable_is_rated boolean,
    outcome varchar,
    previous_usage_date date,
    previous_owner_uin varchar,
    previous_operate_uin varchar,
    previous_component_code varchar,
    previous_outcome varchar
);
