-- Restates what each disposition counts, on purpose: a control does not trust what it checks. There
-- are few pairs of the two: request ids are read only if a pair is wrong.
with pairs as (
    select distinct
        disposition,
        calls_billed
    from billing.calls
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
),

wrong_pairs as (
    select *
    from pairs
    where
        calls_billed is distinct from case disposition
            when 'billed' then 1
            when 'reversed' then -1
            when 'failed' then 0
            when 'conflict' then 0
            when 'duplicate' then 0
            when 'unrated' then 0
            when 'too_old' then 0
        end
)

select
    calls.request_id,
    calls.settled_on,
    calls.disposition,
    calls.calls_billed
from billing.calls
inner join wrong_pairs
    on
        calls.disposition is not distinct from wrong_pairs.disposition
        and calls.calls_billed is not distinct from wrong_pairs.calls_billed
where calls.settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
