-- Waivers that became known on these dates and found fewer calls than they name.
with last_lines as (
    select *
    from raw.waivers
    where settlement_floor <= date '{{ settle_through }}'
    qualify
        row_number() over (
            partition by waiver_id, owner_uin, component_code, usage_date
            order by settlement_floor desc, arrived_on desc, line_number desc
        ) = 1
),

waived as (
    select
        waiver_id,
        owner_uin,
        component_code,
        usage_date,
        -sum(calls) as calls
    from billing.bill_lines
    where waiver_id is not null
    group by waiver_id, owner_uin, component_code, usage_date
)

select
    last_lines.waiver_id,
    last_lines.owner_uin,
    last_lines.component_code,
    last_lines.usage_date,
    coalesce(last_lines.calls, 1) as calls_named,
    coalesce(waived.calls, 0) as calls_waived,
    last_lines.request_id
from last_lines
left join waived
    on
        last_lines.waiver_id = waived.waiver_id
        and last_lines.owner_uin = waived.owner_uin
        and last_lines.component_code = waived.component_code
        and last_lines.usage_date = waived.usage_date
where
    last_lines.settlement_floor between date '{{ settle_from }}' and date '{{ settle_through }}'
    -- Usage of the last due date is not settled yet.
    and last_lines.usage_date < date '{{ settle_through }}'
    and coalesce(waived.calls, 0) < coalesce(last_lines.calls, 1)
