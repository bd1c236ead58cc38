with failures as (
    select
        error_code,
        count(distinct request_id) as calls,
        count(distinct owner_uin) as owners
    from raw.call_logs
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and settlement_floor between date '{{ settle_from }}' - 2 and date '{{ settle_through }}'
        and error_code is not null
    group by error_code
)

select
    failures.error_code,
    failures.calls,
    failures.owners
from failures
where
    not exists (
        select 1
        from seeds.error_codes
        where
            failures.error_code = error_codes.error_code
            or starts_with(failures.error_code, error_codes.error_code || '.')
    )
