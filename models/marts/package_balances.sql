{{ config(meta={"only_of": "packages"}) }}

-- What each package (资源包) had and has left, as known at the end of the settled dates. What was
-- given back after a package had expired is lost.
with packages_known as (
    select * from {{ ref('int_packages_known') }}
),

-- The job has counted them before {{ ref('int_quantity_lines') }} is written.
moves as (
    select * from {{ source('ops', 'quantity_moves') }}
    where package_id is not null and settled_on <= {{ settle_through() }}
),

drawn as (
    select
        package_id,
        owner_uin,
        component_code,
        sum(calls) filter (where calls > 0) as calls_drawn,
        -sum(calls) filter (where calls < 0 and not is_lost) as calls_given_back,
        -sum(calls) filter (where calls < 0 and is_lost) as calls_lost,
        max(usage_date) filter (where calls > 0) as last_used
    from moves
    group by package_id, owner_uin, component_code
),

package_balances as (
    select
        packages_known.package_id,
        packages_known.owner_uin,
        packages_known.component_code,
        packages_known.calls,
        packages_known.valid_from,
        packages_known.valid_to,
        cast(coalesce(drawn.calls_drawn, 0) as bigint) as calls_drawn,
        cast(coalesce(drawn.calls_given_back, 0) as bigint) as calls_given_back,
        cast(coalesce(drawn.calls_lost, 0) as bigint) as calls_lost,
        cast(
            packages_known.calls
            - coalesce(drawn.calls_drawn, 0)
            + coalesce(drawn.calls_given_back, 0)
            as bigint
        ) as calls_left,
        drawn.last_used,
        packages_known.valid_to <= {{ settle_through() }} as is_expired
    from packages_known
    left join drawn
        on
            packages_known.package_id = drawn.package_id
            and packages_known.owner_uin = drawn.owner_uin
            and packages_known.component_code = drawn.component_code
    where
        packages_known.known_from <= {{ settle_through() }}
        and packages_known.known_to > {{ settle_through() }}
)

select * from package_balances
