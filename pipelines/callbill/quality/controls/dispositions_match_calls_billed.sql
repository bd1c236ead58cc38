-- Restates what each disposition counts, on purpose: a control does not trust what it checks.
select
    request_id,
    settled_on,
    disposition,
    calls_billed
from billing.calls
where
    settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    and calls_billed is distinct from case disposition
        when 'billed' then 1
        when 'reversed' then -1
        when 'failed' then 0
        when 'conflict' then 0
        when 'duplicate' then 0
        when 'unrated' then 0
        when 'too_old' then 0
    end
