-- Which component claims an action, and from which settlement date on: a claim that was added after
-- a date was sealed does not count for it.
with component_actions as (
    select * from {{ ref('component_actions') }}
),

catalogue_rows as (
    select * from {{ source('ops', 'catalogue_rows') }}
    where seed = 'component_actions'
),

claims as (
    select
        component_actions.action,
        component_actions.component_code,
        coalesce(catalogue_rows.counts_from, date '0001-01-01') as counts_from
    from component_actions
    left join catalogue_rows
        on catalogue_rows.row = [component_actions.action, component_actions.component_code]
)

select * from claims
