{{ config(materialized="table", meta={"only_of": "account_attributes"}) }}

-- The attributes of accounts, such as edition=flagship: for usage from effective_from up to
-- effective_to, as known on settlement dates from known_from up to known_to (both exclusive). An
-- account that has any also has rows for the time before.
--
-- Of what is said for one account, attribute and effective_from the latest known counts: within a
-- file the last line, within a settlement floor the later arrival, of files of one arrival the
-- value that comes first.
with account_attributes as (
    select * from {{ source('raw', 'account_attributes') }}
),

last_lines as (
    select *
    from account_attributes
    qualify
        line_number = max(line_number) over (
            partition by
                source_file_id, settlement_floor, arrived_on, owner_uin, attribute, effective_from
        )
),

counted as (
    select
        owner_uin,
        attribute,
        value,
        effective_from,
        settlement_floor as known_from
    from last_lines
    qualify
        row_number() over (
            partition by owner_uin, attribute, effective_from, settlement_floor
            order by arrived_on desc nulls last, value asc
        ) = 1
),

-- What is delivered again every night says the same every night.
news as (
    select *
    from counted
    qualify
        value is distinct from lag(value) over (
            partition by owner_uin, attribute, effective_from order by known_from
        )
),

known_dates as (
    select
        owner_uin,
        known_from,
        coalesce(
            lead(known_from) over (partition by owner_uin order by known_from),
            date '9999-12-31'
        ) as known_to
    from (
        select
            owner_uin,
            known_from
        from news
        union
        select
            owner_uin,
            date '-infinity' as known_from
        from news
    ) as dates
),

effective_dates as (
    select
        owner_uin,
        effective_from,
        coalesce(
            lead(effective_from) over (partition by owner_uin order by effective_from),
            date '9999-12-31'
        ) as effective_to
    from (
        select
            owner_uin,
            effective_from
        from news
        union
        select
            owner_uin,
            date '-infinity' as effective_from
        from news
    ) as dates
),

-- On each of these dates, of each attribute what became effective last, and of that what became
-- known last.
standing as (
    select
        known_dates.owner_uin,
        known_dates.known_from,
        known_dates.known_to,
        effective_dates.effective_from,
        effective_dates.effective_to,
        news.attribute,
        news.value
    from known_dates
    inner join effective_dates on known_dates.owner_uin = effective_dates.owner_uin
    left join news
        on
            known_dates.owner_uin = news.owner_uin
            and known_dates.known_from >= news.known_from
            and effective_dates.effective_from >= news.effective_from
    qualify
        row_number() over (
            partition by
                known_dates.owner_uin,
                known_dates.known_from,
                effective_dates.effective_from,
                news.attribute
            order by news.effective_from desc, news.known_from desc
        ) = 1
),

account_attributes_known as (
    select
        owner_uin,
        list_filter(
            list(attribute || '=' || replace(value, ';', '%3B') order by attribute),
            lambda pair: pair is not null
        ) as attributes,
        effective_from,
        effective_to,
        known_from,
        known_to
    from standing
    group by owner_uin, effective_from, effective_to, known_from, known_to
)

select * from account_attributes_known
