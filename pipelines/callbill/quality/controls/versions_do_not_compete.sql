-- Of a file the last line of a package, waiver or attribute counts, so only last lines can compete.
with said as (
    select
        'packages' as feed,
        owner_uin,
        concat_ws(' ', package_id, component_code) as subject,
        concat_ws(' ', calls, 'calls from', valid_from, 'to', valid_to) as terms,
        source_file_id,
        line_number,
        settlement_floor,
        arrived_on
    from raw.packages
    union all
    select
        'waivers' as feed,
        owner_uin,
        concat_ws(' ', waiver_id, component_code, usage_date) as subject,
        concat_ws(' ', calls || ' calls', request_id, waiver_reason) as terms,
        source_file_id,
        line_number,
        settlement_floor,
        arrived_on
    from raw.waivers
    union all
    select
        'account_attributes' as feed,
        owner_uin,
        concat_ws(' ', attribute, 'from', effective_from) as subject,
        value as terms,
        source_file_id,
        line_number,
        settlement_floor,
        arrived_on
    from raw.account_attributes
),

last_lines as (
    select *
    from said
    where settlement_floor between date '{{ settle_from }}' and date '{{ settle_through }}'
    qualify
        line_number = max(line_number) over (
            partition by
                feed, owner_uin, subject, source_file_id, settlement_floor, arrived_on
        )
)

select
    feed,
    owner_uin,
    subject,
    settlement_floor,
    arrived_on,
    count(distinct source_file_id) as files,
    string_agg(distinct terms, ' | ' order by terms asc) as versions
from last_lines
group by feed, owner_uin, subject, settlement_floor, arrived_on
having count(distinct terms) > 1
