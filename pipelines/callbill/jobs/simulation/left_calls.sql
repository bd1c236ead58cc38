-- Calls that are in no bill for want of a price, or because they came too late, by component: of
-- all sealed dates, as the last row of each call has it.
with requested as (
    select * from simulation.requested
),

calls as (
    select calls.*
    from simulation.calls
    cross join requested
    where calls.settled_on <= requested.through
),

ids as (
    select distinct request_id
    from calls
    where disposition in ('unrated', 'too_old')
),

last_rows as (
    select calls.*
    from calls
    cross join requested
    semi join ids on calls.request_id = ids.request_id
    qualify
        coalesce(
            lead(calls.settled_on) over (partition by calls.request_id order by calls.settled_on)
            - calls.settled_on > requested.horizon_days,
            true
        )
),

left_calls as (
    select
        last_rows.disposition,
        last_rows.component_code,
        count(*) as calls
    from last_rows
    cross join requested
    where
        last_rows.disposition in ('unrated', 'too_old')
        and last_rows.owner_uin = coalesce(requested.owner_uin, last_rows.owner_uin)
    group by last_rows.disposition, last_rows.component_code
)

select * from left_calls
