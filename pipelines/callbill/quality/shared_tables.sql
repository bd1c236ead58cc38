-- Tables that several controls share, in the database `checks`.

-- Calls that were charged on a due date and had been in no bill before, whatever they waited for.
create table checks.late_charges as
select
    request_id,
    settled_on
from intermediate.int_calls_again
where
    settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    and disposition = 'billed'
    and previous_outcome = 'unbilled';

-- Hashes of the ids of due records, and of calls charged without one, that also have records within
-- the horizon before, and the dates on which those were settled. Looking back over the horizon is
-- expensive.
create table checks.earlier_records as
with due as (
    select hash(request_id) as request_hash
    from raw.call_logs
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and settlement_floor between date '{{ settle_from }}' - 2 and date '{{ settle_through }}'
    union all
    select hash(request_id) as request_hash
    from checks.late_charges
),

earlier_records as (
    select distinct
        hash(request_id) as request_hash,
        settled_on
    from raw.call_logs
    where
        settled_on between date '{{ horizon }}' and date '{{ settle_from }}' - 1
        and settlement_floor < date '{{ settle_from }}'
        and settlement_floor >= date '{{ horizon }}' - 2
        and hash(request_id) in (select due.request_hash from due)
    union
    -- Calls that were charged after their last record.
    select
        request_hash,
        settled_on
    from intermediate.int_calls_again
    where
        settled_on between date '{{ horizon }}' and date '{{ settle_from }}' - 1
        and records = 0
        and request_hash in (select due.request_hash from due)
)

select * from earlier_records;

-- List prices, known from the date on which their row of the catalogue begins to count. Restates
-- the rule of models/staging/stg_list_prices.sql on purpose: a control does not trust what it
-- checks.
create table checks.list_prices as
select
    prices.component_code,
    prices.effective_from,
    coalesce(counted.counts_from, prices.known_from) as known_from,
    max_by(prices.list_price, prices.known_from) as list_price
from seeds.list_prices as prices
left join ops.catalogue_rows as counted
    on
        counted.seed = 'list_prices'
        and counted.row[1] = prices.component_code
        and counted.row[2] = prices.effective_from::varchar
        and counted.row[3] = prices.known_from::varchar
group by
    prices.component_code,
    prices.effective_from,
    coalesce(counted.counts_from, prices.known_from)
