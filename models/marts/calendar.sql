{{ config(materialized="view") }}

-- Each day from the first call to the last settlement, for reports that need days without calls.
{#- Named without the warehouse, so that a release can take the view along. -#}
{%- set daily_usage = ref("daily_usage").include(database=false) %}
{%- set settlements = ref("settlements").include(database=false) %}

with ends as (
    select
        min(usage_date) as first_day,
        max(usage_date) as last_day
    from {{ daily_usage }}
    union all
    select
        min(settled_on) as first_day,
        max(settled_on) as last_day
    from {{ settlements }}
),

days as (
    select
        cast(
            unnest(generate_series(min(first_day), max(last_day), interval 1 day)) as date
        ) as day_date
    from ends
)

select
    day_date,
    cast(date_trunc('month', day_date) as date) as month_start_date,
    cast(date_trunc('quarter', day_date) as date) as quarter_start_date,
    cast(date_trunc('week', day_date) as date) as week_start_date,
    cast(isodow(day_date) as bigint) as weekday_number,
    isodow(day_date) >= 6 as is_weekend
from days
