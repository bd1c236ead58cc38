-- Only accounts and components that a feed names for the first time: each is reported once. A
-- budget has no day on which it came, so one of an unknown account is reported until it is mended.
with named as (
    select
        'contracts' as feed,
        owner_uin,
        settlement_floor,
        source_file_id,
        line_number
    from raw.contracts
    union all
    select
        'packages' as feed,
        owner_uin,
        settlement_floor,
        source_file_id,
        line_number
    from raw.packages
    union all
    select
        'waivers' as feed,
        owner_uin,
        settlement_floor,
        source_file_id,
        line_number
    from raw.waivers
    union all
    select
        'account_attributes' as feed,
        owner_uin,
        settlement_floor,
        source_file_id,
        line_number
    from raw.account_attributes
    union all
    select
        'account_events' as feed,
        owner_uin,
        settlement_floor,
        source_file_id,
        line_number
    from raw.account_events
    union all
    select
        'vendor_bills' as feed,
        owner_uin,
        settlement_floor,
        source_file_id,
        line_number
    from raw.vendor_bills
),

new_owners as (
    select
        feed,
        owner_uin,
        min((settlement_floor, source_file_id, line_number)) as first_line
    from named
    group by feed, owner_uin
    having
        min(settlement_floor) between date '{{ settle_from }}' and date '{{ settle_through }}'
),

feeds_of_owners as (
    select
        owner_uin,
        count(distinct feed) as feeds
    from named
    where settlement_floor <= date '{{ settle_through }}'
    group by owner_uin
),

owners_with_calls as (
    select owner_uin
    from billing.daily_usage
    where owner_uin in (select new_owners.owner_uin from new_owners)
    union
    -- Calls that are loaded and wait for a later date.
    select owner_uin
    from raw.call_logs
    where
        settled_on > date '{{ settle_through }}'
        and settlement_floor >= date '{{ settle_through }}' - 1
        and owner_uin in (select new_owners.owner_uin from new_owners)
),

unknown_owners as (
    select
        new_owners.feed,
        new_owners.owner_uin,
        new_owners.first_line
    from new_owners
    inner join feeds_of_owners
        on new_owners.owner_uin = feeds_of_owners.owner_uin and feeds_of_owners.feeds = 1
    anti join owners_with_calls on new_owners.owner_uin = owners_with_calls.owner_uin
),

unknown_budgets as (
    select distinct owner_uin
    from seeds.budgets
    where
        owner_uin <> 'all'
        and owner_uin not in (select daily_usage.owner_uin from billing.daily_usage)
        and owner_uin not in (select named.owner_uin from named)
        and owner_uin not in (select account_names.account_uin from seeds.account_names)
        and owner_uin not in (
            select call_logs.owner_uin
            from raw.call_logs
            where
                call_logs.settled_on > date '{{ settle_through }}'
                and call_logs.settlement_floor >= date '{{ settle_through }}' - 1
        )
),

-- A vendor's bill names components of our products by code or by name.
named_components as (
    select
        'contracts' as feed,
        component_code,
        component_code in (select components.component_code from seeds.components) as is_known,
        settlement_floor,
        source_file_id,
        line_number
    from raw.contracts
    union all
    select
        'packages' as feed,
        component_code,
        component_code in (select components.component_code from seeds.components) as is_known,
        settlement_floor,
        source_file_id,
        line_number
    from raw.packages
    union all
    select
        'waivers' as feed,
        component_code,
        component_code in (select components.component_code from seeds.components) as is_known,
        settlement_floor,
        source_file_id,
        line_number
    from raw.waivers
    union all
    select
        'vendor_bills' as feed,
        coalesce(recognised.component_type, recognised.component_name) as component_code,
        recognised.our_component_code is not null as is_known,
        files.settlement_floor,
        recognised.source_file_id,
        recognised.line_number
    from intermediate.int_vendor_bill_lines_recognised as recognised
    inner join ops.source_files as files
        on recognised.source_file_id = files.source_file_id and files.feed = 'vendor_bills'
    where recognised.is_ours and not recognised.is_adjustment
),

unknown_components as (
    select
        feed,
        component_code,
        min((settlement_floor, source_file_id, line_number)) as first_line
    from named_components
    where not is_known
    group by feed, component_code
    having
        min(settlement_floor) between date '{{ settle_from }}' and date '{{ settle_through }}'
),

unknown as (
    select
        feed,
        'no call and no other feed names this account' as finding,
        owner_uin,
        null as component_code,
        first_line
    from unknown_owners
    union all
    select
        feed,
        'there is no such component' as finding,
        null as owner_uin,
        component_code,
        first_line
    from unknown_components
    union all
    select
        'budgets' as feed,
        'no call, no feed and no name is of this account' as finding,
        owner_uin,
        null as component_code,
        null as first_line
    from unknown_budgets
)

select
    unknown.feed,
    unknown.finding,
    unknown.owner_uin,
    unknown.component_code,
    source_files.path,
    unknown.first_line[3] as line_number
from unknown
left join ops.source_files
    on
        unknown.feed = source_files.feed
        and unknown.first_line[2] = source_files.source_file_id
