-- Rejected lines: by judge.sql, or by a verdict on an account event.
create or replace view ops.rejected_records as
select
    left(source_file_id, 64) as source_file_id,
    feed,
    path,
    line_number,
    reason,
    detail,
    fields,
    line_length,
    line_sha256,
    run_id
from ops.rejected_lines
union all
select
    v.source_file_id,
    f.feed,
    f.path,
    v.line_number,
    v.reason,
    null as detail,
    e.fields,
    null as line_length,
    null as line_sha256,
    f.run_id
from ops.event_verdicts as v
inner join raw.account_events as e
    on v.source_file_id = e.source_file_id and v.line_number = e.line_number
inner join ops.loaded_files as f
    on v.source_file_id = f.source_file_id and f.feed = 'account_events';

-- Loaded files, with counts that include the verdicts on account events. lines_read is always
-- records_accepted + records_rejected. delivery_id tells deliveries of one content apart.
create or replace view ops.source_files as
with verdicts_by_file as (
    select
        source_file_id,
        count(*) as verdicts
    from ops.event_verdicts
    group by source_file_id
)

select
    left(f.source_file_id, 64) as source_file_id,
    f.feed,
    f.path,
    f.format,
    f.arrived_on,
    f.settlement_floor,
    f.size_bytes,
    f.lines_read,
    f.records_accepted - coalesce(v.verdicts, 0) as records_accepted,
    f.records_rejected + coalesce(v.verdicts, 0) as records_rejected,
    f.run_id,
    f.loaded_at,
    f.quarantine_reason,
    f.arrival,
    f.source_file_id as delivery_id
from ops.loaded_files as f
left join verdicts_by_file as v
    on f.source_file_id = v.source_file_id and f.feed = 'account_events';

-- Lines of the vendor's bills, of each delivery that counts. A bill that is delivered again says
-- what it said as of a later day.
create or replace view raw.vendor_bills as
with deliveries as (
    select
        source_file_id,
        same_rows_as,
        settlement_floor,
        arrived_on
    from ops.loaded_files
    where feed = 'vendor_bills' and quarantine_reason is null
)

select l.* replace (left(l.source_file_id, 64) as source_file_id) -- noqa: AM04
from raw.vendor_bills_loaded as l
semi join deliveries as d on l.source_file_id = d.source_file_id
union all
select
    l.* replace (
        left(l.source_file_id, 64) as source_file_id,
        d.settlement_floor as settlement_floor,
        d.arrived_on as arrived_on
    )
from raw.vendor_bills_loaded as l
inner join deliveries as d on l.source_file_id = d.same_rows_as
where
    not exists (
        select 1
        from ops.retries as r
        where
            r.feed = 'vendor_bills'
            and r.source_file_id = l.source_file_id
            and list_contains(r.line_numbers, l.line_number)
    );
