-- Restates what a successful record is, on purpose: a control does not trust what it checks.
with successes as (
    select
        call_logs.settled_on,
        call_logs.owner_uin,
        call_logs.operate_uin,
        component_actions.component_code,
        call_logs.usage_date,
        count(*) as records
    from raw.call_logs
    inner join seeds.component_actions on call_logs.action = component_actions.action
    where
        call_logs.settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and call_logs.settlement_floor
        between date '{{ settle_from }}' - 2 and date '{{ settle_through }}'
        and call_logs.error_code is null
        and call_logs.http_status between 200 and 299
    group by
        call_logs.settled_on,
        call_logs.owner_uin,
        call_logs.operate_uin,
        component_actions.component_code,
        call_logs.usage_date
),

charges as (
    select
        settled_on,
        owner_uin,
        operate_uin,
        component_code,
        usage_date,
        count(*) as calls
    from billing.calls
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and calls_billed > 0
    group by settled_on, owner_uin, operate_uin, component_code, usage_date
)

select
    charges.settled_on,
    charges.owner_uin,
    charges.operate_uin,
    charges.component_code,
    charges.usage_date,
    charges.calls as calls_charged,
    coalesce(successes.records, 0) as successful_records
from charges
left join successes
    on
        charges.settled_on = successes.settled_on
        and charges.owner_uin = successes.owner_uin
        and charges.operate_uin = successes.operate_uin
        and charges.component_code = successes.component_code
        and charges.usage_date = successes.usage_date
where charges.calls > coalesce(successes.records, 0)
