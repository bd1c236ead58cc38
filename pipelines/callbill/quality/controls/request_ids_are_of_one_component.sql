select
    request_id,
    settled_on,
    usage_date,
    owner_uin,
    component_code,
    disposition
from intermediate.int_calls_again
where
    settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    and void_on = settled_on
    and not has_failure
    and first_owner = last_owner
