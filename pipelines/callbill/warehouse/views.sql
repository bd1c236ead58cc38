-- What was rejected, by itself or beside other events.
create or replace view ops.rejected_records as
select * from ops.rejected_lines
union all by name
select
    v.source_file_id,
    f.feed,
    f.path,
    v.line_number,
    v.reason,
    e.fields,
    f.run_id
from ops.event_verdicts as v
inner join raw.account_events as e using (source_file_id, line_number)
inner join ops.loaded_files as f on v.source_file_id = f.source_file_id and f.feed = 'account_events';

-- The files that were loaded, with what became of their lines: read = accepted + rejected.
create or replace view ops.source_files as
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
left join (
    select
        source_file_id,
        count(*) as verdicts
    from ops.event_verdicts
    group by source_file_id
) as v on f.source_file_id = v.source_file_id and f.feed = 'account_events';
