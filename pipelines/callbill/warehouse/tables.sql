-- The tables that the job itself keeps. All others are models.
create schema if not exists raw;
create schema if not exists ops;

create table if not exists ops.warehouse (
    id integer primary key,
    schema_version integer not null,
    built_through date,
    -- Into how many buckets calls are divided, by a hash of their request id.
    buckets integer not null default 1
);

-- One row per run of the job, failed runs included, and one per correction of a file.
create table if not exists ops.runs (
    run_id varchar primary key,
    callbill_version varchar not null,
    -- The user and host that started it, null for runs before 0.2.
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

-- One row per delivery that was loaded, by feed and SHA-256. If content of a feed in which the
-- latest counts is delivered again under a later date, the id of that delivery is
-- "<SHA-256>@<date>". Views and releases show the SHA-256 alone. Its counts are those of judge.sql,
-- which judges each line by itself. The view `ops.source_files` adds the verdicts on events.
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
    -- Why the file was withdrawn, null if it counts.
    quarantine_reason varchar,
    -- The version of the reading rules and the SHA-256 of the shape that the file was read by.
    reading_rules integer not null default 1,
    shape_sha256 varchar,
    -- "history" for a file without a date that was loaded before anything was sealed.
    arrival varchar,
    -- The earlier delivery of the same content whose rows are this one's too.
    same_rows_as varchar,
    primary key (feed, source_file_id)
);

-- Rejected lines that were read again and accepted, with a settlement floor of their own.
create table if not exists ops.retries (
    source_file_id varchar not null,
    feed varchar not null,
    settlement_floor date not null,
    line_numbers bigint[] not null,
    run_id varchar not null,
    reading_rules integer not null default 1,
    -- Of the shape that they were read by, if it is a place's own.
    shape_sha256 varchar,
    -- Their former rejects, which come back if the lines are withdrawn.
    rejects struct(
        line_number bigint, reason varchar, detail varchar, fields varchar, run_id varchar
    )[]
);

-- The log shapes of a place's own that files were read by, as they were then. A shape may change;
-- a file that was loaded keeps the one that it was read by.
create table if not exists ops.shape_declarations (
    shape_sha256 varchar primary key,
    name varchar not null,
    declaration varchar not null
);

-- Rejected lines. A file that could not be read has one row without a line number.
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

-- How many accepted values of a file something was taken off, such as a blank behind an account
-- number. Lines that were read again have the settlement floor of that retry.
create table if not exists ops.cleaned_values (
    source_file_id varchar not null,
    feed varchar not null,
    field varchar not null,
    values bigint not null,
    settlement_floor date not null,
    primary key (feed, source_file_id, settlement_floor, field)
);

-- Account events that are valid by themselves but do not count, because of events known before.
-- Every run judges all events again.
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

-- Successful calls that a run left out of the bill, as known at its end: those of the dates that it
-- settled, and those that wait for a later date.
create table if not exists ops.unbilled_calls (
    run_id varchar not null,
    settled_on date not null,
    -- unrated, too_old, conflict or waiting.
    reason varchar not null,
    usage_date date not null,
    owner_uin varchar not null,
    action varchar not null,
    component_code varchar,
    -- Where claims of the action ask for attributes: those that they ask for, with the values of
    -- the calls. A value that no record and no account has is empty.
    attributes varchar,
    calls bigint not null,
    -- What they would have cost, in CNY. Null if no price is known.
    unbilled_cost decimal(38, 8)
);

-- One row per sealed settlement date, copied from the current release when a run begins.
create table if not exists ops.sealed_settlements (
    settled_on date primary key,
    content_hash varchar not null,
    run_id varchar not null,
    -- The versions of the rules by which the date was billed and hashed.
    billing_rules integer not null default 1,
    hash_recipe integer not null default 1
);

-- The settlement dates that the current run builds. The models read it.
create table if not exists ops.settlement_window (
    settle_from date not null,
    settle_through date not null,
    -- The version of the billing rules that these dates are settled by.
    billing_rules integer not null default 1,
    -- Whether calls of earlier days may be charged now: see macros/settlement_window.sql.
    has_catalogue_news boolean not null default false,
    -- Whether records are matched by cleaned identifiers that differ from their texts.
    has_cleaned_identifiers boolean not null default false,
    -- The first date whose records are counted by action.
    count_records_from date,
    -- Whether a claim of the catalogue asks for attributes of records.
    has_attribute_claims boolean not null default false,
    -- Whether a price may depend on how much: a ladder, a package or a waiver is known.
    has_quantity_prices boolean not null default false
);

-- How settlements move calls between the steps of ladders, packages and waivers, for prices that
-- depend on how much. pipelines/callbill/tasks/quantity_moves.py writes it, the model
-- int_quantity_lines prices it.
create table if not exists ops.quantity_moves (
    settled_on date not null,
    owner_uin varchar not null,
    component_code varchar not null,
    usage_date date not null,
    line_type varchar not null,
    -- The period that a ladder counts over, and the step. Null for calls on no step.
    tier_period varchar,
    tier_from bigint,
    -- The package that calls are drawn from, or given back to.
    package_id varchar,
    -- The waiver that takes calls back, or gives up some of them.
    waiver_id varchar,
    -- The date whose knowledge of prices counts.
    known_on date not null,
    calls bigint not null,
    -- Whether the calls were given back to a package that had expired.
    is_lost boolean not null
);

-- Request ids and account numbers of files read by version 1 of the reading rules, where taking off
-- what is around them makes another text. The model's records are matched by `cleaned`.
create table if not exists ops.cleaned_identifiers (
    text varchar primary key,
    cleaned varchar not null
);

-- The files of which ops.cleaned_identifiers has the texts.
create table if not exists ops.cleaned_files (
    source_file_id varchar primary key
);

-- The rows of the catalogue (the seeds), with the first settlement date that each counts for.
create table if not exists ops.catalogue_rows (
    seed varchar not null,
    row varchar[] not null,
    counts_from date not null
);

-- The SHA-256 of the file behind each directory entry, so that a file is hashed once.
create table if not exists ops.landing_entries (
    path varchar primary key,
    size_bytes bigint not null,
    mtime_ns bigint not null,
    inode bigint not null,
    source_file_id varchar not null
);

-- Loaded files that have vanished from the landing folder, or whose path has other content now.
create table if not exists ops.landing_changes (
    path varchar not null,
    was_source_file_id varchar not null,
    was_bytes bigint not null,
    -- Null if the file is gone.
    source_file_id varchar,
    size_bytes bigint,
    -- The through date of the run that noticed it.
    known_from date not null
);

-- Announcements: the content of `<file>.manifest.json` about the file beside it.
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

-- The committed Parquet files of raw.call_logs.
create table if not exists ops.raw_files (
    file_name varchar primary key,
    -- What its reader wrote, null for files of before 0.7.
    records bigint,
    size_bytes bigint
);

create schema if not exists intermediate;

-- The columns of the states of calls with several records, which a run passes to the next. The
-- model int_calls_again writes them to files, but other models read them before its first run.
create table if not exists ops.call_states_layout (
    request_id varchar,
    settled_on date,
    usage_date date,
    called_at timestamptz,
    owner_uin varchar,
    operate_uin varchar,
    action varchar,
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
