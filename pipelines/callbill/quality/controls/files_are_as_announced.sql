select
    manifests.path,
    manifests.problem,
    manifests.records as records_announced,
    source_files.lines_read as records_found,
    manifests.sha256 as sha256_announced,
    entries.source_file_id as sha256_found
from ops.landing_manifests as manifests
left join ops.landing_entries as entries on manifests.file_path = entries.path
left join ops.source_files
    on
        entries.source_file_id = source_files.source_file_id
        and split_part(manifests.file_path, '/', 1) = source_files.feed
where
    greatest(
        manifests.known_from, coalesce(source_files.settlement_floor, manifests.known_from)
    ) >= date '{{ settle_from }}'
    and source_files.quarantine_reason is null
    and (
        manifests.problem is not null
        or source_files.source_file_id is null
        or coalesce(lower(manifests.sha256) <> entries.source_file_id, false)
        or coalesce(manifests.records <> source_files.lines_read, false)
    )
