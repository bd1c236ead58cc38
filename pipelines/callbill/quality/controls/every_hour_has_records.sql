with quarters_of_hours as (
    select
        usage_date,
        epoch_us(called_at) // 900000000 as quarter_no,
        count(*) as records
    from raw.call_logs
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and settlement_floor
        between date '{{ settle_from }}' - 2 and date '{{ settle_through }}'
    group by usage_date, quarter_no
),

usage_days as (
    select
        usage_date,
        sum(records) as records,
        list(distinct hour(timezone('{{ billing_timezone }}', to_timestamp(quarter_no * 900))))
            as hours
    from quarters_of_hours
    group by usage_date
),

-- A day has as many hours as its calendar gives it.
hours_due as (
    select
        usage_date,
        records,
        hours,
        unnest(
            generate_series(
                timezone('{{ billing_timezone }}', usage_date::timestamp),
                timezone('{{ billing_timezone }}', (usage_date + 1)::timestamp)
                - interval 1 second,
                interval 1 hour
            )
        ) as starts_at
    from usage_days
    where records >= {{ hourly_check_min_records }}
),

missing as (
    select
        usage_date,
        records,
        hour(timezone('{{ billing_timezone }}', starts_at)) as hour_due
    from hours_due
    where not list_contains(hours, hour_due)
),

-- An hour of a day that came in parts may have been settled before.
earlier as (
    select distinct
        usage_date,
        hour(timezone('{{ billing_timezone }}', called_at)) as hour_due
    from raw.call_logs
    where
        settled_on between date '{{ horizon }}' and date '{{ settle_from }}' - 1
        and settlement_floor between date '{{ horizon }}' - 2 and date '{{ settle_from }}' - 1
        and usage_date in (select missing.usage_date from missing)
)

select
    missing.usage_date,
    any_value(missing.records) as records,
    string_agg(missing.hour_due::varchar, ', ' order by missing.hour_due) as hours_without_any
from missing
anti join earlier
    on missing.usage_date = earlier.usage_date and missing.hour_due = earlier.hour_due
group by missing.usage_date
