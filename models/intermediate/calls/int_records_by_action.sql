{{ config(materialized="incremental") }}

-- How many records came of each account, action and usage date, and how many of them failed or are
-- unrated. Kept, because shares are judged by the days before. A warehouse that does not have this
-- table yet makes it for those days too.
with records as (
    select * from {{ ref('stg_call_logs') }}
    where
        settled_on between {{ count_records_from() }} and {{ settle_through() }}
        and {{ may_hold_due_records(count_records_from()) }}
),

first_list_prices as (
    select * from {{ ref('int_first_list_prices') }}
),

judged_records as (
    select
        records.settled_on,
        records.usage_date,
        records.owner_uin,
        records.action,
        records.is_failure,
        not records.is_failure
        and coalesce(records.usage_date < first_list_prices.rated_from, true) as is_unrated
    from records
    left join first_list_prices
        on
            records.component_code = first_list_prices.component_code
            and records.settled_on >= first_list_prices.known_from
            and records.settled_on < first_list_prices.known_to
),

records_by_action as (
    select
        settled_on,
        usage_date,
        owner_uin,
        action,
        count(*) as records,
        count_if(is_failure) as failed_records,
        count_if(is_unrated) as unrated_records
    from judged_records
    group by settled_on, usage_date, owner_uin, action
)

select * from records_by_action
