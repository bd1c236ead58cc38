-- Rejected lines: by judge.sql, or by a verdict on an account event.
create or replace view ops.rejected_records as
select
    source_file_id,
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
-- records_accepted + records_rejected.
create or replace view ops.source_files as
with verdicts_by_file as (
    select
        source_file_id,
        count(*) as verdicts
    from ops.event_verdicts
    group by source_file_id
)

select
    f.source_file_id,
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
    f.quarantine_reason
from ops.loaded_files as f
left join verdicts_by_file as v
    on f.source_file_id = v.source_file_id and f.feed = 'account_events';
