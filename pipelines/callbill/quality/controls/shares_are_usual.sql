-- Shares are parts of a million, in whole numbers. An account is judged by its own days, once it
-- had enough of them. So that a new account alone changes no other share, days and actions are
-- judged by the records of the accounts that had enough days before.
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

-- Each usage day that is settled now, with the days before it and itself.
judged_days as (
    select
        due.usage_date as judged_date,
        usage_days.usage_date
    from (
        select distinct usage_date
        from usage
        where usage_date >= date '{{ settle_from }}' - 1
    ) as due
    inner join (select distinct usage_date from usage) as usage_days
        on
            usage_days.usage_date
            between due.usage_date - {{ usual_volume_days }} and due.usage_date
),

known_accounts as (
    select
        judged_days.judged_date,
        usage.owner_uin
    from usage
    inner join judged_days on usage.usage_date = judged_days.usage_date
    group by judged_days.judged_date, usage.owner_uin
    having
        count(distinct usage.usage_date) filter (where usage.usage_date < judged_days.judged_date)
        >= 7
),

-- An account alone, an action alone, and all together: grouping sets.
counted as (
    select
        judged_days.judged_date,
        judged_days.usage_date,
        usage.owner_uin,
        usage.action,
        sum(usage.records) as records,
        sum(usage.failed_records) as failed_records,
        sum(usage.unrated_records) as unrated_records
    from usage
    inner join judged_days on usage.usage_date = judged_days.usage_date
    inner join known_accounts
        on
            judged_days.judged_date = known_accounts.judged_date
            and usage.owner_uin = known_accounts.owner_uin
    group by
        grouping sets (
            (judged_days.judged_date, judged_days.usage_date, usage.owner_uin),
            (judged_days.judged_date, judged_days.usage_date, usage.action),
            (judged_days.judged_date, judged_days.usage_date)
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
        bad_records * 1000000 // records as share
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
        any_value(share) filter (where usage_date = judged_date) as share,
        quantile_disc(share, 0.5) filter (where usage_date < judged_date) as usual_share,
        count(*) filter (where usage_date < judged_date) as days_before
    from shares
    group by judged_date, owner_uin, action, kind
)

select
    usage_date,
    owner_uin,
    action,
    kind,
    bad_records::bigint as records,
    records::bigint as of_records,
    cast(share // 100 as decimal(9, 0)) * 0.01 as percent,
    cast(usual_share // 100 as decimal(9, 0)) * 0.01 as usual_percent
from usual
where
    days_before >= 7
    and abs(bad_records * 1000000 - usual_share * records)
    >= {{ usual_share_min_records }} * 1000000
    and (
        share > usual_share * {{ usual_volume_factor }}
        or share * {{ usual_volume_factor }} < usual_share
        or (1000000 - share) * {{ usual_volume_factor }} < 1000000 - usual_share
        or 1000000 - share > (1000000 - usual_share) * {{ usual_volume_factor }}
    )
