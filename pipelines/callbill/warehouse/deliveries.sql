-- Lines of a feed in which the latest counts, of each delivery that counts. A delivery of the same
-- content as another has its rows, under its own dates. If no other file came in between, it is no
-- news and has none.
create or replace view raw.{{ feed }} as
with deliveries as (
    select
        source_file_id,
        same_rows_as,
        settlement_floor,
        -- By version 1 of the reading rules all files of one floor are equal.
        case when reading_rules >= 2 then arrived_on end as arrived_on
    from ops.loaded_files
    where feed = '{{ feed }}' and quarantine_reason is null
),

contents as (
    select
        settlement_floor,
        arrived_on,
        coalesce(same_rows_as, source_file_id) as rows_of
    from deliveries
    union all
    select
        r.settlement_floor,
        d.arrived_on,
        'again ' || d.source_file_id as rows_of
    from ops.retries as r
    inner join deliveries as d on r.source_file_id = d.source_file_id and r.feed = '{{ feed }}'
),

moments as (
    select
        settlement_floor,
        arrived_on,
        min(rows_of) as rows_of,
        min(rows_of) = max(rows_of) as is_single
    from contents
    group by settlement_floor, arrived_on
),

moments_in_order as (
    select
        settlement_floor,
        arrived_on,
        is_single
        and coalesce(lag(is_single) over in_order, false)
        and rows_of = lag(rows_of) over in_order as is_no_news
    from moments
    window in_order as (order by settlement_floor, arrived_on nulls first)
),

repetitions as (
    select d.*
    from deliveries as d
    inner join moments_in_order as m
        on
            d.settlement_floor = m.settlement_floor
            and d.arrived_on is not distinct from m.arrived_on
    where d.same_rows_as is not null and not m.is_no_news
)

select l.* replace (left(l.source_file_id, 64) as source_file_id) -- noqa: AM04
from raw.{{ feed }}_loaded as l
semi join deliveries as d on l.source_file_id = d.source_file_id
union all
select
    l.* replace (
        left(l.source_file_id, 64) as source_file_id,
        d.settlement_floor as settlement_floor,
        d.arrived_on as arrived_on
    )
from raw.{{ feed }}_loaded as l
inner join repetitions as d on l.source_file_id = d.same_rows_as
-- Lines that were read again are not those of the other delivery.
where
    not exists (
        select 1
        from ops.retries as r
        where
            r.feed = '{{ feed }}'
            and r.source_file_id = l.source_file_id
            and list_contains(r.line_numbers, l.line_number)
    );
