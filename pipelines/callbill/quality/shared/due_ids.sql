-- Hashes of the ids of due records, and which of these failed: ids are most of what is kept of a
-- record, so they are read once for several controls. Restates what a failed record is, on
-- purpose: a control does not trust what it checks.
create table checks.due_ids as
select
    hash(request_id) as request_hash,
    error_code is not null or http_status not between 200 and 299 as has_failed
from raw.call_logs
where
    settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    and settlement_floor between date '{{ settle_from }}' - 2 and date '{{ settle_through }}'
