-- Calls that differ on a usage date because the other side has them in another month, or on the
-- day before or after.
with compared as (
    select * from {{ ref('int_usage_compared') }}
),

our_lines as (
    select * from {{ ref('int_comparable_lines') }}
),

-- Our calls that no vendor's bill can hold so far, or of months without one.
elsewhere as (
    select
        owner_uin,
        usage_date,
        component_code,
        sum(calls) as calls
    from our_lines
    where not is_comparable
    group by owner_uin, usage_date, component_code
),

-- Calls of a usage date that the two sides bill in different months: too many in one month, too few
-- in another. They are matched in order of the months, those in no vendor's bill last.
by_usage_date as (
    select
        owner_uin,
        usage_date,
        component_code,
        bill_month,
        more_calls
    from compared
    union all
    select
        owner_uin,
        usage_date,
        component_code,
        date '9999-12-01' as bill_month,
        -calls as more_calls
    from elsewhere
),

summed as (
    select
        owner_uin,
        usage_date,
        component_code,
        bill_month,
        more_calls,
        sum(greatest(more_calls, 0)) over (
            partition by owner_uin, usage_date, component_code
        ) as total_more,
        sum(greatest(-more_calls, 0)) over (
            partition by owner_uin, usage_date, component_code
        ) as total_fewer,
        sum(greatest(more_calls, 0)) over (
            partition by owner_uin, usage_date, component_code
            order by bill_month
            rows unbounded preceding
        ) as more_so_far,
        sum(greatest(-more_calls, 0)) over (
            partition by owner_uin, usage_date, component_code
            order by bill_month
            rows unbounded preceding
        ) as fewer_so_far
    from by_usage_date
),

movable as (
    select
        *,
        least(total_more, total_fewer) as movable_calls
    from summed
),

in_other_months as (
    select
        owner_uin,
        usage_date,
        component_code,
        bill_month,
        more_calls,
        case
            when more_calls > 0
                then greatest(0, least(more_calls, movable_calls - more_so_far + more_calls))
            else -greatest(0, least(-more_calls, movable_calls - fewer_so_far - more_calls))
        end as moved
    from movable
    where bill_month < date '9999-12-01'
),

-- Calls that one side has a day earlier than the other: on two consecutive days, as many too many
-- as too few.
with_day_before as (
    select
        *,
        lag(usage_date) over days as usage_date_before,
        lag(more_calls - moved) over days as left_before
    from in_other_months
    window days as (partition by owner_uin, component_code order by usage_date, bill_month)
),

offsets as (
    select
        *,
        coalesce(
            usage_date_before = usage_date - 1
            and left_before <> 0
            and more_calls - moved = -left_before,
            false
        ) as offsets_day_before
    from with_day_before
),

chains as (
    select
        *,
        sum(case when offsets_day_before then 0 else 1 end) over (
            partition by owner_uin, component_code
            order by usage_date, bill_month
            rows unbounded preceding
        ) as chain_no
    from offsets
),

links as (
    select
        *,
        row_number() over (
            partition by owner_uin, component_code, chain_no order by usage_date, bill_month
        ) as link_no,
        count(*) over (partition by owner_uin, component_code, chain_no) as chain_links
    from chains
),

in_other_periods as (
    select
        owner_uin,
        bill_month,
        usage_date,
        component_code,
        case when link_no % 2 = 0 or link_no < chain_links then more_calls else moved end
            as period_calls
    from links
)

select * from in_other_periods
