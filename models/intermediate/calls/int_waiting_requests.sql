-- Hashes of the request ids that may be charged on a due date because the catalogue rates them
-- since: those of successes that had no price. `settled_on` is the date of such a record of an
-- earlier night. Without news in the catalogue nothing is read.
{% if has_catalogue_news() -%}
with records as (
    select
        request_hash,
        component_code,
        claim_key as action,
        owner_key,
        usage_date,
        settled_on
    from {{ ref('stg_call_logs') }}
    where
        settled_on
        between {{ settle_from() }} - {{ dedup_horizon_days() }} and {{ settle_through() }} - 1
        and settlement_floor
        between {{ settle_from() }} - {{ dedup_horizon_days() }} - 2 and {{ settle_through() }} - 1
        and not is_failure
        and not is_too_old
),

first_list_prices as (
    select * from {{ ref('int_first_list_prices') }}
),

unrated as (
    select records.*
    from records
    anti join first_list_prices
        on
            records.component_code = first_list_prices.component_code
            and records.usage_date >= first_list_prices.rated_from
            and records.settled_on >= first_list_prices.known_from
            and records.settled_on < first_list_prices.known_to
),

rated as (
    {{ rated_later('unrated') }}
),

waiting_requests as (
    select distinct
        request_hash,
        case when settled_on < {{ settle_from() }} then settled_on end as settled_on
    from rated
    where
        {{ is_due('rated_on') }}
        and rated_on - usage_date <= {{ var('max_usage_age_days') | int }}
)
{%- else -%}
with waiting_requests as (
    select
        cast(null as ubigint) as request_hash,
        cast(null as date) as settled_on
    where false
)
{%- endif %}

select * from waiting_requests
