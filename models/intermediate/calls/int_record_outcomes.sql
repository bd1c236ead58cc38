-- What became of the records due, in sums by settlement date that add up to them: every record is
-- in one of the columns from `billed` to `too_old`. Of a call with several records the first is
-- counted as the call, and the others as duplicates.
with calls as (
    select * from {{ ref('int_calls') }}
    where {{ is_due() }}
),

-- A reversed call had a failure, or its records disagree.
reversed_by_disagreement as (
    select
        settled_on,
        sum(records) as records
    from {{ ref('int_calls_again') }}
    where {{ is_due() }} and disposition = 'reversed' and not has_failure
    group by settled_on
),

failed_records as (
    select
        settled_on,
        sum(failed_records) as records
    from {{ ref('int_records_by_action') }}
    where {{ is_due() }}
    group by settled_on
),

-- A call that is charged late has no record on that date.
counted as (
    select
        settled_on,
        sum(records) as records,
        count_if(disposition = 'billed' and records > 0) as billed,
        sum(
            case
                when disposition = 'duplicate' then records
                when disposition in ('billed', 'unrated', 'too_old') then greatest(records - 1, 0)
                else 0
            end
        ) as duplicate,
        coalesce(sum(records) filter (disposition in ('failed', 'reversed')), 0) as of_void_calls,
        coalesce(sum(records) filter (disposition = 'conflict'), 0) as disagreeing,
        count_if(disposition = 'unrated') as unrated,
        count_if(disposition = 'too_old') as too_old,
        count_if(disposition = 'billed' and records = 0) as charged_late,
        count_if(disposition = 'reversed') as taken_back
    from calls
    group by settled_on
),

record_outcomes as (
    select
        counted.settled_on,
        cast(counted.records as bigint) as records,
        counted.billed,
        cast(counted.duplicate as bigint) as duplicate,
        cast(coalesce(failed_records.records, 0) as bigint) as failed,
        -- Successes of calls that are void because of a failure.
        cast(
            counted.of_void_calls
            - coalesce(reversed_by_disagreement.records, 0)
            - coalesce(failed_records.records, 0) as bigint
        ) as void,
        cast(counted.disagreeing + coalesce(reversed_by_disagreement.records, 0) as bigint)
            as disagreeing,
        counted.unrated,
        counted.too_old,
        counted.charged_late,
        counted.taken_back
    from counted
    left join reversed_by_disagreement
        on counted.settled_on = reversed_by_disagreement.settled_on
    left join failed_records on counted.settled_on = failed_records.settled_on
)

select * from record_outcomes
