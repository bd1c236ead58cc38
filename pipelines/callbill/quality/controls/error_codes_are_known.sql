-- First the codes, and then the calls of those that are not known: there are few codes, and usually
-- all are known.
with failures as not materialized (
    select
        error_code,
        request_id,
        owner_uin
    from raw.call_logs
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and settlement_floor between date '{{ settle_from }}' - 2 and date '{{ settle_through }}'
        and error_code is not null
),

codes as (
    select distinct error_code
    from failures
),

unknown_codes as (
    select codes.error_code
    from codes
    where
        not exists (
            select 1
            from seeds.error_codes
            where
                codes.error_code = error_codes.error_code
                or starts_with(codes.error_code, error_codes.error_code || '.')
        )
)

select
    failures.error_code,
    count(distinct failures.request_id) as calls,
    count(distinct failures.owner_uin) as owners
from failures
inner join unknown_codes on failures.error_code = unknown_codes.error_code
group by failures.error_code
