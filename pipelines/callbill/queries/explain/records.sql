-- Records of some request ids that are settled between two dates, with the paths of their files.
-- Withdrawn files do not count. Parameters: the request ids, the dates.
select
    records.request_id,
    records.settled_on,
    records.called_at,
    records.owner_uin,
    records.operate_uin,
    records.action,
    records.region,
    records.http_status,
    records.error_code,
    files.path,
    records.source_file_id
from raw.call_logs_loaded as records
inner join ops.source_files as files
    on records.source_file_id = files.source_file_id and files.feed = 'call_logs'
where
    list_contains($1, records.request_id)
    and records.settled_on between $2 and $3
    and files.quarantine_reason is null
order by
    records.request_id,
    records.settled_on,
    records.called_at,
    files.path,
    records.error_code
