-- The accounts whose bills changed most from the month before to this one.
with sums as (
    select
        owner_uin,
        coalesce(sum(deducted_amount) filter (where bill_month = date '{{ month }}'), 0)
            as deducted_amount,
        coalesce(sum(deducted_amount) filter (where bill_month < date '{{ month }}'), 0)
            as before_amount,
        cast(
            sum(case when bill_month = date '{{ month }}' then calls else -calls end) as bigint
        ) as calls_change
    from billing.monthly_bills
    where bill_month between date '{{ month }}' - interval 1 month and date '{{ month }}'
    group by owner_uin
),

largest as (
    select
        *,
        deducted_amount - before_amount as change_amount
    from sums
    where deducted_amount <> before_amount
    order by abs(change_amount) desc, owner_uin asc
    limit {{ most_rows }}
),

used as (
    select
        owner_uin,
        sum(
            case when usage_date >= date '{{ month }}' then calls_billed else -calls_billed end
        ) as usage_change
    from billing.daily_usage
    where
        usage_date
        between date '{{ month }}' - interval 1 month and last_day(date '{{ month }}')
        and owner_uin in (select largest.owner_uin from largest)
    group by owner_uin
)

select
    strftime(date '{{ month }}', '%Y-%m') as bill_month,
    largest.owner_uin,
    accounts.account_name,
    largest.before_amount,
    largest.deducted_amount,
    largest.change_amount,
    largest.calls_change,
    cast(coalesce(used.usage_change, 0) as bigint) as usage_change
from largest
left join used on largest.owner_uin = used.owner_uin
left join billing.accounts as accounts on largest.owner_uin = accounts.owner_uin
order by abs(largest.change_amount) desc, largest.owner_uin asc
