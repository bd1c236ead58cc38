{{ config(meta={"only_of": "waivers"}) }}

-- Versions of waivers with the settlement dates on which each is the one known. Rows of one waiver,
-- owner, component and usage date are versions of it, and the latest known counts, as of packages.
-- Of files of one arrival it is the one that waives the fewest calls.
with waivers as (
    select * from {{ source('raw', 'waivers') }}
),

last_lines as (
    select *
    from waivers
    qualify
        line_number = max(line_number) over (
            partition by
                source_file_id,
                settlement_floor,
                arrived_on,
                waiver_id,
                owner_uin,
                component_code,
                usage_date
        )
),

versions as (
    select *
    from last_lines
    qualify
        row_number() over (
            partition by waiver_id, owner_uin, component_code, usage_date, settlement_floor
            order by
                arrived_on desc, coalesce(calls, 1) asc, request_id asc, waiver_reason asc
        ) = 1
),

waivers_known as (
    select
        waiver_id,
        owner_uin,
        component_code,
        usage_date,
        calls,
        request_id,
        waiver_reason,
        source_file_id,
        settlement_floor as known_from,
        min(settlement_floor) over (
            partition by waiver_id, owner_uin, component_code, usage_date
        ) as first_known_from,
        coalesce(
            lead(settlement_floor) over (
                partition by waiver_id, owner_uin, component_code, usage_date
                order by settlement_floor
            ),
            date '9999-12-31'
        ) as known_to
    from versions
)

select * from waivers_known
