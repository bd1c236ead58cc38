-- Calls whose last row has a disposition, by component: of all sealed dates.
with calls as (
    select
        request_id,
        settled_on,
        usage_date,
        owner_uin,
        component_code,
        disposition
    from {{ calls }}
    where settled_on <= date '{{ through }}'
),

ids as (
    select distinct request_id
    from calls
    where disposition = '{{ disposition }}'
),

-- Only a call's last row says what became of it.
last_rows as (
    select calls.*
    from calls
    semi join ids on calls.request_id = ids.request_id
    qualify
        coalesce(
            lead(calls.settled_on) over (
                partition by calls.request_id order by calls.settled_on
            ) - calls.settled_on > {{ horizon_days }},
            true
        )
),

left_calls as (
    select
        component_code,
        count(*) as calls
    from last_rows
    where disposition = '{{ disposition }}' and owner_uin = coalesce($owner, owner_uin)
    group by component_code
)

select * from left_calls
