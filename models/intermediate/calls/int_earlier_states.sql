-- The latest state that earlier nights left of each request id at hand. It stands for all records
-- that they had of the id.
with kept_states as (
    select * from {{ source('earlier_nights', 'calls_again') }}
),

repeated_requests as (
    select * from {{ ref('int_repeated_requests') }}
),

-- Other ids are left out before anything is sorted: that keeps a night's memory small.
states_at_hand as (
    select * from kept_states
    where
        {{ is_within_horizon(settlement_floor=none) }}
        and request_hash in (select repeated_requests.request_hash from repeated_requests)
),

earlier_states as (
    select
        request_id,
        request_hash,
        settled_on,
        usage_date,
        called_at,
        owner_uin,
        operate_uin,
        component_code,
        region,
        error_code,
        source_file_id,
        records,
        has_failure,
        first_owner,
        last_owner,
        first_component,
        last_component,
        void_on,
        chargeable_on,
        chargeable_is_rated
    from states_at_hand
    qualify row_number() over (partition by request_id order by settled_on desc) = 1
)

select * from earlier_states
