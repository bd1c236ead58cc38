with intervals as (
    select
        owner_uin,
        status,
        valid_from,
        valid_to,
        lead(valid_from) over (partition by owner_uin order by valid_from) as next_from
    from billing.service_status
)

select
    owner_uin,
    status,
    valid_from,
    valid_to
from intervals
where valid_to is distinct from next_from or valid_to <= valid_from
