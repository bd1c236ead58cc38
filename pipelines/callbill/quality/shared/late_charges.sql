-- Calls that were charged on a due date and had been in no bill before, whatever they waited for.
create table checks.late_charges as
select
    request_id,
    settled_on
from intermediate.int_calls_again
where
    settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    and disposition = 'billed'
    and previous_outcome = 'unbilled'
