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
    from raw.contracts_loaded
    group by source_file_id
    union all
    select
        source_file_id,
        'packages' as feed,
        count(*) as records
    from raw.packages_loaded
    group by source_file_id
    union all
    select
        source_file_id,
        'waivers' as feed,
        count(*) as records
    from raw.waivers_loaded
    group by source_file_id
    union all
    select
        source_file_id,
        'account_attributes' as feed,
        count(*) as records
    from raw.account_attributes_loaded
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
    from raw.vendor_bills_loaded
    group by source_file_id
),

rejected as (
    select
        source_file_id,
        feed,
        path,
        count(line_number) as records
    from ops.rejected_records
    group by source_file_id, feed, path
),

-- Of call logs loaded by an earlier run only the lines that were read again are checked.
files as (
    select
        source_files.delivery_id,
        source_files.source_file_id,
        source_files.feed,
        source_files.path,
        -- A delivery of content that was read before has the rows of the earlier delivery.
        coalesce(loaded_files.same_rows_as, loaded_files.source_file_id) as rows_of,
        source_files.lines_read,
        source_files.records_accepted,
        source_files.records_rejected
    from ops.source_files
    inner join ops.loaded_files
        on
            source_files.delivery_id = loaded_files.source_file_id
            and source_files.feed = loaded_files.feed
    where
        source_files.settlement_floor >= date '{{ settle_from }}'
        and source_files.quarantine_reason is null
    union all
    select
        source_files.delivery_id,
        source_files.source_file_id,
        source_files.feed,
        source_files.path,
        source_files.delivery_id as rows_of,
        sum(len(retries.line_numbers)) + any_value(source_files.records_rejected) as lines_read,
        sum(len(retries.line_numbers)) as records_accepted,
        any_value(source_files.records_rejected) as records_rejected
    from ops.source_files
    inner join ops.retries
        on
            source_files.delivery_id = retries.source_file_id
            and source_files.feed = retries.feed
    where
        source_files.feed = 'call_logs'
        and source_files.settlement_floor < date '{{ settle_from }}'
        and retries.settlement_floor >= date '{{ settle_from }}'
    group by
        source_files.delivery_id,
        source_files.source_file_id,
        source_files.feed,
        source_files.path
),

-- Lines that were read again of the earlier delivery are not those of the later one.
read_again as (
    select
        files.delivery_id,
        files.feed,
        sum(len(retries.line_numbers)) as records
    from files
    inner join ops.retries
        on files.rows_of = retries.source_file_id and files.feed = retries.feed
    where files.rows_of <> files.delivery_id
    group by files.delivery_id, files.feed
),

found as (
    select
        files.*,
        coalesce(accepted.records, 0) - coalesce(read_again.records, 0) as records_found,
        coalesce(rejected.records, 0) as rejects_found
    from files
    left join accepted
        on files.rows_of = accepted.source_file_id and files.feed = accepted.feed
    left join read_again
        on files.delivery_id = read_again.delivery_id and files.feed = read_again.feed
    left join rejected
        on
            files.source_file_id = rejected.source_file_id
            and files.feed = rejected.feed
            and files.path = rejected.path
)

select
    source_file_id,
    feed,
    path,
    lines_read,
    records_accepted,
    records_found,
    records_rejected,
    rejects_found
from found
where
    lines_read <> records_accepted + records_rejected
    or records_accepted <> records_found
    or records_rejected <> rejects_found
