select
    path,
    was_source_file_id as sha256_before,
    source_file_id as sha256_now,
    was_bytes as bytes_before,
    size_bytes as bytes_now,
    case
        when size_bytes is null then 'gone'
        when size_bytes < was_bytes then 'shrank'
        else 'changed'
    end as finding
from ops.landing_changes
where known_from >= date '{{ settle_from }}'
