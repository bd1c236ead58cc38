{{ config(meta={"only_of": "packages"}) }}

-- Versions of packages (资源包) with the settlement dates on which each is the one known. Rows of one
-- package, owner and component are versions of it, and the latest known counts: within a settlement
-- floor the later arrival, within a file the last line. Of files of one arrival it is the one with
-- the fewest calls, then the earliest end.
with packages as (
    select * from {{ source('raw', 'packages') }}
),

last_lines as (
    select *
    from packages
    qualify
        line_number = max(line_number) over (
            partition by
                source_file_id,
                settlement_floor,
                arrived_on,
                package_id,
                owner_uin,
                component_code
        )
),

versions as (
    select *
    from last_lines
    qualify
        row_number() over (
            partition by package_id, owner_uin, component_code, settlement_floor
            order by arrived_on desc, calls asc, valid_to asc, valid_from asc
        ) = 1
),

packages_known as (
    select
        package_id,
        owner_uin,
        component_code,
        calls,
        valid_from,
        valid_to,
        source_file_id,
        settlement_floor as known_from,
        coalesce(
            lead(settlement_floor) over (
                partition by package_id, owner_uin, component_code
                order by settlement_floor
            ),
            date '9999-12-31'
        ) as known_to
    from versions
)

select * from packages_known
