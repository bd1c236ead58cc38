-- Shares are whole numbers of 10^-6 (`_e6`). An account is judged by its own days, once it had
-- seven of them. So that a new account alone changes no other share, days and actions are judged by
-- the records of steady accounts: those that had records on most of the days before.
with usage as (
    select
        usage_date,
        owner_uin,
        action,
        sum(records) as records,
        sum(failed_records) as failed_records,
        sum(unrated_records) as unrated_records
    from intermediate.int_records_by_action
    where
        usage_date between date '{{ settle_from }}' - 1 - {{ usual_volume_days }}
        and date '{{ settle_through }}' - 1
    group by usage_date, owner_uin, action
),

usage_days as (
    select distinct usage_date
    from usage
),

-- Each usage day that is settled now, with the days before it and itself.
judged_days as (
    select
        due.usage_date as judged_date,
        usage_days.usage_date
    from usage_days as due
    inner join usage_days
        on
            usage_days.usage_date
            between due.usage_date - {{ usual_volume_days }} and due.usage_date
    where due.usage_date >= date '{{ settle_from }}' - 1
),

usage_judged as (
    select
        judged_days.judged_date,
        usage.*
    from usage
    inner join judged_days on usage.usage_date = judged_days.usage_date
),

days_before as (
    select
        judged_date,
        count(*) as day_count
    from judged_days
    where usage_date < judged_date
    group by judged_date
),

steady_accounts as (
    select
        usage_judged.judged_date,
        usage_judged.owner_uin
    from usage_judged
    inner join days_before on usage_judged.judged_date = days_before.judged_date
    where usage_judged.usage_date < usage_judged.judged_date
    group by usage_judged.judged_date, usage_judged.owner_uin, days_before.day_count
    having count(distinct usage_judged.usage_date) * 2 > days_before.day_count
),

counted as (
    select
        judged_date,
        usage_date,
        owner_uin,
        sum(records) as records,
        sum(failed_records) as failed_records,
        sum(unrated_records) as unrated_records
    from usage_judged
    group by judged_date, usage_date, owner_uin
    union all by name
    select
        usage_judged.judged_date,
        usage_judged.usage_date,
        usage_judged.action,
        sum(usage_judged.records) as records,
        sum(usage_judged.failed_records) as failed_records,
        sum(usage_judged.unrated_records) as unrated_records
    from usage_judged
    semi join steady_accounts
        on
            usage_judged.judged_date = steady_accounts.judged_date
            and usage_judged.owner_uin = steady_accounts.owner_uin
    -- Each action, and all of them together.
    group by
        grouping sets (
            (usage_judged.judged_date, usage_judged.usage_date, usage_judged.action),
            (usage_judged.judged_date, usage_judged.usage_date)
        )
),

by_kind as (
    select
        judged_date,
        usage_date,
        owner_uin,
        action,
        'failed' as kind,
        records,
        failed_records as bad_records
    from counted
    union all
    select
        judged_date,
        usage_date,
        owner_uin,
        action,
        'unrated' as kind,
        records,
        unrated_records as bad_records
    from counted
),

shares as (
    select
        *,
        bad_records * 1000000 // records as share_e6
    from by_kind
),

usual as (
    select
        judged_date as usage_date,
        owner_uin,
        action,
        kind,
        any_value(records) filter (where usage_date = judged_date) as records,
        any_value(bad_records) filter (where usage_date = judged_date) as bad_records,
        any_value(share_e6) filter (where usage_date = judged_date) as share_e6,
        quantile_disc(share_e6, 0.5) filter (where usage_date < judged_date) as usual_share_e6,
        count(*) filter (where usage_date < judged_date) as days_before
    from shares
    group by judged_date, owner_uin, action, kind
)

select
    usage_date,
    owner_uin,
    action,
    kind,
    cast(bad_records as bigint) as bad_records,
    cast(records as bigint) as records,
    cast(share_e6 // 100 as decimal(9, 0)) * 0.01 as bad_percent,
    cast(usual_share_e6 // 100 as decimal(9, 0)) * 0.01 as usual_percent
from usual
where
    days_before >= 7
    and abs(bad_records * 1000000 - usual_share_e6 * records)
    >= {{ usual_share_min_records }} * 1000000
    and (
        share_e6 > usual_share_e6 * {{ usual_volume_factor }}
        or share_e6 * {{ usual_volume_factor }} < usual_share_e6
        or (1000000 - share_e6) * {{ usual_volume_factor }} < 1000000 - usual_share_e6
        or 1000000 - share_e6 > (1000000 - usual_share_e6) * {{ usual_volume_factor }}
    )
