with received as (
    select
        usage_date,
        sum(calls_received) as calls
    from billing.daily_usage
    where
        usage_date between date '{{ settle_from }}' - 1 - {{ usual_volume_days }}
        and date '{{ settle_through }}' - 1
    group by usage_date
),

calendar as (
    select
        unnest(
            generate_series(
                (select min(received.usage_date) from received),
                date '{{ settle_through }}' - 1,
                interval 1 day
            )
        )::date as usage_date
),

days as (
    select
        calendar.usage_date,
        coalesce(received.calls, 0) as calls,
        quantile_disc(received.calls, 0.5) over before as usual_calls,
        count(received.calls) over before as days_before
    from calendar
    left join received on calendar.usage_date = received.usage_date
    window before as (
        order by calendar.usage_date
        rows between {{ usual_volume_days }} preceding and 1 preceding
    )
)

select
    usage_date,
    calls,
    usual_calls
from days
where
    usage_date >= date '{{ settle_from }}' - 1
    and days_before >= 7
    and (
        calls * {{ usual_volume_factor }} < usual_calls
        or calls > usual_calls * {{ usual_volume_factor }}
    )
