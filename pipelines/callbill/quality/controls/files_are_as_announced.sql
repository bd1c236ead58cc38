with entries as (
    select
        path as file_path,
        path,
        source_file_id
    from ops.landing_entries
    union all
    -- The members of a .zip, under the name of the .zip.
    select
        regexp_extract(path, '(?i)^(.*?\.zip)/', 1) as file_path,
        path,
        source_file_id
    from ops.landing_entries
    where regexp_matches(path, '(?i)\.zip/')
),

found as (
    select
        manifests.path,
        any_value(manifests.problem) as problem,
        any_value(manifests.records) as records_announced,
        cast(sum(source_files.lines_read) as bigint) as records_found,
        any_value(manifests.sha256) as sha256_announced,
        -- Null of a .zip, whose members have hashes of their own.
        any_value(entries.source_file_id) filter (
            where entries.path = manifests.file_path
        ) as sha256_found
    from ops.landing_manifests as manifests
    left join entries on manifests.file_path = entries.file_path
    left join ops.source_files
        on
            entries.source_file_id = source_files.source_file_id
            and split_part(manifests.file_path, '/', 1) = source_files.feed
    group by manifests.path
    having
        count(source_files.quarantine_reason) = 0
        and max(
            greatest(
                manifests.known_from,
                coalesce(source_files.settlement_floor, manifests.known_from)
            )
        ) >= date '{{ settle_from }}'
)

select *
from found
where
    problem is not null
    or records_found is null
    or coalesce(lower(sha256_announced) <> sha256_found, false)
    or coalesce(records_announced <> records_found, false)
