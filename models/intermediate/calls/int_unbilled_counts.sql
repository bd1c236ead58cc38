-- How many successful calls are not in the bill, as it is known at the end of the due dates: calls
-- that these dates left unbilled, and calls that wait for a later date. `known_on` is the date by
-- which their price is known.
with calls as (
    select * from {{ ref('int_calls') }}
    where {{ is_due() }}
),

calls_again as (
    select * from {{ ref('int_calls_again') }}
    where {{ is_due() }}
),

due_records as (
    select * from {{ ref('stg_call_logs') }}
    where {{ is_due() }} and {{ may_hold_due_records() }}
),

waiting_records as (
    select * from {{ ref('stg_call_logs') }}
    where settled_on > {{ settle_through() }} and {{ may_hold_waiting_records() }}
),

-- Only a call's last row says whether it is in the bill. A call of several dates has all its rows
-- in `calls_again`.
rows_with_later_ones as (
    select
        request_id,
        settled_on
    from calls_again
    qualify
        lead(settled_on) over (partition by request_id order by settled_on) - settled_on
        <= {{ dedup_horizon_days() }}
),

last_rows as (
    select not_billed.*
    from calls as not_billed
    anti join rows_with_later_ones
        on
            not_billed.request_id = rows_with_later_ones.request_id
            and not_billed.settled_on = rows_with_later_ones.settled_on
    where not_billed.disposition in ('unrated', 'too_old', 'conflict', 'reversed')
),

-- A call that an earlier night left unbilled is no news when it is delivered again, unless its
-- records disagree now: it could be charged until then, and cannot any more.
ids_unbilled_before as (
    select request_id
    from calls_again
    where previous_outcome = 'unbilled'
    qualify
        settled_on = min(settled_on) over (partition by request_id)
        and not coalesce(
            bool_or(void_on >= {{ settle_from() }}) over (partition by request_id), false
        )
),

-- A reversed call had a failure, or its records disagree.
unbilled as (
    select
        last_rows.request_id,
        last_rows.settled_on,
        last_rows.settled_on as known_on,
        last_rows.usage_date,
        last_rows.owner_uin,
        last_rows.component_code,
        case last_rows.disposition when 'reversed' then 'conflict' else last_rows.disposition end
            as reason
    from last_rows
    anti join ids_unbilled_before on last_rows.request_id = ids_unbilled_before.request_id
    left join calls_again
        on
            last_rows.request_id = calls_again.request_id
            and last_rows.settled_on = calls_again.settled_on
    where
        last_rows.disposition in ('unrated', 'too_old', 'conflict')
        or (last_rows.disposition = 'reversed' and not calls_again.has_failure)
),

actions as (
    select
        request_id,
        settled_on,
        min_by(action, (called_at, claim_key)) as action,
        min_by(asked_attributes, (called_at, claim_key)) as attributes
    from due_records
    where request_id in (select unbilled.request_id from unbilled)
    group by request_id, settled_on
),

-- A waiting record that failed makes its call a failed one.
waiting as (
    select
        request_id,
        settled_on,
        {{ settle_through() }} as known_on,
        usage_date,
        owner_uin,
        component_code,
        'waiting' as reason,
        action,
        asked_attributes as attributes
    from waiting_records
    qualify
        row_number() over (
            partition by request_id
            order by settled_on asc, {{ earliest_record_first('claim_key') }}
        ) = 1
        and not bool_or(is_failure) over (partition by request_id)
),

unbilled_counts as (
    select
        settled_on,
        known_on,
        usage_date,
        owner_uin,
        component_code,
        reason,
        action,
        attributes,
        count(*) as calls
    from (
        select
            unbilled.*,
            actions.action,
            actions.attributes
        from unbilled
        left join actions
            on
                unbilled.request_id = actions.request_id
                and unbilled.settled_on = actions.settled_on
        union all by name
        select * from waiting
    ) as unbilled_and_waiting
    group by all
)

select * from unbilled_counts
