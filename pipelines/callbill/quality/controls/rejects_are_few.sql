with rejects as (
    select
        source_file_id,
        feed,
        mode(reason) filter (where reason not in ('never_reached', 'total_line'))
            as commonest_reason,
        bool_or(line_number is null) as is_unreadable,
        -- An attempt that reached no server is no call, and a total is no line of a bill: nothing
        -- is wrong with their lines.
        count(*) filter (where reason in ('never_reached', 'total_line')) as rightly_rejected
    from ops.rejected_records
    group by source_file_id, feed
)

select
    source_files.path,
    source_files.lines_read,
    source_files.records_rejected,
    case
        when source_files.lines_read > 0
            then cast(
                source_files.records_rejected * 10000 // source_files.lines_read as decimal(9, 0)
            ) * 0.01
    end as percent_rejected,
    rejects.commonest_reason
from ops.source_files
left join rejects
    on
        source_files.source_file_id = rejects.source_file_id
        and source_files.feed = rejects.feed
where
    source_files.settlement_floor >= date '{{ settle_from }}'
    and source_files.quarantine_reason is null
    and (
        source_files.records_rejected - coalesce(rejects.rightly_rejected, 0)
        > source_files.lines_read * {{ max_reject_ratio }}
        or rejects.is_unreadable
    )
