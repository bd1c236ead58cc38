{{ config(materialized="incremental") }}

-- Calls charged and reversed, by settlement date and what prices them.
with calls as (
    select * from {{ ref('int_calls') }}
    where {{ is_due() }} and calls_billed <> 0
),

charges as (
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        cast(sum(case when calls_billed > 0 then calls_billed else 0 end) as bigint) as charged,
        cast(sum(case when calls_billed < 0 then -calls_billed else 0 end) as bigint) as reversed
    from calls
    group by settled_on, owner_uin, component_code, usage_date
)

select * from charges
