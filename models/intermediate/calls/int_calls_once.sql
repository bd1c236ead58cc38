{{ config(materialized="view") }}

-- Calls with one record only, decided row by row: most of them.
with records as (
    select * from {{ ref('stg_call_logs') }}
    where {{ is_due() }} and {{ may_hold_due_records() }}
),

repeated_requests as (
    select * from {{ ref('int_repeated_requests') }}
),

first_list_prices as (
    select * from {{ ref('int_first_list_prices') }}
),

decided as (
    select
        records.*,
        case
            when records.is_failure then 'failed'
            when
                first_list_prices.rated_from is null
                or records.usage_date < first_list_prices.rated_from
                then 'unrated'
            when records.is_too_old then 'too_old'
            else 'billed'
        end as disposition
    from records
    anti join repeated_requests on records.request_hash = repeated_requests.request_hash
    left join first_list_prices
        on
            records.component_code = first_list_prices.component_code
            and records.settled_on >= first_list_prices.known_from
            and records.settled_on < first_list_prices.known_to
),

calls_once as (
    select
        request_id,
        settled_on,
        usage_date,
        called_at,
        owner_uin,
        operate_uin,
        component_code,
        region,
        error_code,
        cast(1 as bigint) as records,
        disposition,
        cast(case when disposition = 'billed' then 1 else 0 end as bigint) as calls_billed,
        source_file_id
    from decided
)

select * from calls_once
