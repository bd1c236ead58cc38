-- Calls drawn from each package and not given back, beside what the package ever had.
with drawn as (
    select
        package_id,
        owner_uin,
        component_code,
        min(usage_date) filter (where calls > 0) as first_used,
        max(usage_date) filter (where calls > 0) as last_used,
        sum(calls) as calls
    from billing.bill_lines
    where package_id is not null
    group by package_id, owner_uin, component_code
),

packages as (
    select
        package_id,
        owner_uin,
        component_code,
        min(valid_from) as valid_from,
        max(valid_to) as valid_to,
        max(calls) as calls
    from raw.packages
    where settlement_floor <= date '{{ settle_through }}'
    group by package_id, owner_uin, component_code
)

select
    drawn.package_id,
    drawn.owner_uin,
    drawn.component_code,
    drawn.calls as calls_drawn,
    packages.calls as calls_of_package,
    drawn.first_used,
    drawn.last_used,
    packages.valid_from,
    packages.valid_to
from drawn
left join packages
    on
        drawn.package_id = packages.package_id
        and drawn.owner_uin = packages.owner_uin
        and drawn.component_code = packages.component_code
where
    packages.package_id is null
    or drawn.calls not between 0 and packages.calls
    or drawn.first_used < packages.valid_from
    or drawn.last_used >= packages.valid_to
