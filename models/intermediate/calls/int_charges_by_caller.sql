{{ config(materialized="incremental") }}

-- Calls charged and reversed, by settlement date, what prices them, who made them and where.
with calls as (
    select * from {{ ref('int_calls') }}
    where {{ is_due() }} and calls_billed <> 0
),

charges_by_caller as (
    select
        settled_on,
        owner_uin,
        component_code,
        usage_date,
        operate_uin,
        region,
        cast(sum(case when calls_billed > 0 then calls_billed else 0 end) as bigint) as charged,
        cast(sum(case when calls_billed < 0 then -calls_billed else 0 end) as bigint) as reversed
    from calls
    group by settled_on, owner_uin, component_code, usage_date, operate_uin, region
)

select * from charges_by_caller
