with accepted as (
    select
        source_file_id,
        'call_logs' as feed,
        count(*) as records
    from raw.call_logs
    where settlement_floor >= date '{{ settle_from }}'
    group by source_file_id
    union all
    select
        source_file_id,
        'contracts' as feed,
        count(*) as records
    from raw.contracts
    group by source_file_id
    union all
    select
        account_events.source_file_id,
        'account_events' as feed,
        count(*) as records
    from raw.account_events
    anti join ops.event_verdicts
        on
            account_events.source_file_id = event_verdicts.source_file_id
            and account_events.line_number = event_verdicts.line_number
    group by account_events.source_file_id
    union all
    select
        source_file_id,
        'vendor_bills' as feed,
        count(distinct line_number) as records
    from raw.vendor_bills
    group by source_file_id
),

rejected as (
    select
        source_file_id,
        feed,
        count(line_number) as records
    from ops.rejected_records
    group by source_file_id, feed
),

-- Of call logs loaded by an earlier run only the lines that were read again are checked.
files as (
    select
        source_file_id,
        feed,
        path,
        lines_read,
        records_accepted,
        records_rejected
    from ops.source_files
    where settlement_floor >= date '{{ settle_from }}' and quarantine_reason is null
    union all
    select
        source_files.source_file_id,
        source_files.feed,
        any_value(source_files.path) as path,
        sum(len(retries.line_numbers)) + any_value(source_files.records_rejected) as lines_read,
        sum(len(retries.line_numbers)) as records_accepted,
        any_value(source_files.records_rejected) as records_rejected
    from ops.source_files
    inner join ops.retries
        on
            source_files.source_file_id = retries.source_file_id
            and source_files.feed = retries.feed
    where
        source_files.feed = 'call_logs'
        and source_files.settlement_floor < date '{{ settle_from }}'
        and retries.settlement_floor >= date '{{ settle_from }}'
    group by source_files.source_file_id, source_files.feed
)

select
    files.source_file_id,
    files.feed,
    files.path,
    files.lines_read,
    files.records_accepted,
    coalesce(accepted.records, 0) as records_found,
    files.records_rejected,
    coalesce(rejected.records, 0) as rejects_found
from files
left join accepted
    on files.source_file_id = accepted.source_file_id and files.feed = accepted.feed
left join rejected
    on files.source_file_id = rejected.source_file_id and files.feed = rejected.feed
where
    files.lines_read <> files.records_accepted + files.records_rejected
    or files.records_accepted <> coalesce(accepted.records, 0)
    or files.records_rejected <> coalesce(rejected.records, 0)
