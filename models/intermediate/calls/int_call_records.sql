-- Records of the request ids that need to be looked at together: the due ones, and those of the
-- same ids within the horizon before them. Each tells whether a state stands for it, whether it can
-- be charged, whether it is rated, and whether it is its date's earliest. Of those that a state
-- stands for, only those of calls that may be charged late are needed again.
with repeated_requests as (
    select * from {{ ref('int_repeated_requests') }}
),

earlier_states as (
    select * from {{ ref('int_earlier_states') }}
),

first_list_prices as (
    select * from {{ ref('int_first_list_prices') }}
),

due_records as (
    select
        *,
        false as is_in_state
    from {{ ref('stg_call_logs') }}
    where
        {{ is_due() }} and {{ may_hold_due_records() }}
        and request_hash in (select repeated_requests.request_hash from repeated_requests)
),

waiting_requests as (
    select * from {{ ref('int_waiting_requests') }}
),

earlier_records as (
    select
        records.*,
        earlier_states.request_key is not null as is_in_state
    from {{ ref('stg_call_logs') }} as records
    left join earlier_states on records.request_key = earlier_states.request_key
    where
        (
            earlier_states.request_key is null
            or records.request_hash in (
                select waiting_requests.request_hash from waiting_requests
            )
        )
        and {{ is_within_horizon('records.settled_on', 'records.settlement_floor') }}
        and records.settled_on in (select repeated_requests.settled_on from repeated_requests)
        and records.request_hash in (select repeated_requests.request_hash from repeated_requests)
),

-- Equal records are counted and kept once: a sender that repeats one without end must not fill the
-- memory with it.
distinct_records as (
    select
        *,
        count(*) as copies
    from (
        select * from due_records
        union all
        select * from earlier_records
    ) as records
    group by all
),

judged_records as (
    select
        distinct_records.*,
        not distinct_records.is_failure and not distinct_records.is_too_old as is_chargeable,
        coalesce(distinct_records.usage_date >= first_list_prices.rated_from, false) as is_rated
    from distinct_records
    left join first_list_prices
        on
            distinct_records.component_code = first_list_prices.component_code
            and distinct_records.settled_on >= first_list_prices.known_from
            and distinct_records.settled_on < first_list_prices.known_to
),

call_records as (
    select
        request_id,
        request_key,
        request_hash,
        settled_on,
        usage_date,
        called_at,
        owner_uin,
        owner_key,
        operate_uin,
        -- With the record's attributes, from here on and in what is kept: claims look at both.
        claim_key as action,
        component_code,
        region,
        error_code,
        source_file_id,
        copies,
        is_in_state,
        is_failure,
        is_chargeable,
        is_rated,
        row_number() over earliest_first = 1 as is_earliest,
        is_chargeable and count_if(is_chargeable) over earliest_first = 1
            as is_earliest_chargeable
    from judged_records
    window earliest_first as (
        partition by request_key, settled_on
        order by {{ earliest_record_first('claim_key') }}
        rows unbounded preceding
    )
)

select * from call_records
