-- Restates what a successful record is, on purpose: a control does not trust what it checks.
-- A call that is charged late counts by the record that waited. Which claim is in force is left
-- aside.
with claims as (
    select distinct
        catalogue_rows.row[1] as claimed_action,
        catalogue_rows.row[2] as component_code
    from ops.catalogue_rows
    where catalogue_rows.seed = 'component_actions'
),

records as (
    select
        call_logs.settled_on,
        call_logs.owner_uin,
        call_logs.operate_uin,
        call_logs.action,
        call_logs.usage_date
    from raw.call_logs
    where
        call_logs.settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and call_logs.settlement_floor
        between date '{{ settle_from }}' - 2 and date '{{ settle_through }}'
        and call_logs.error_code is null
        and call_logs.http_status between 200 and 299
    {%- if has_catalogue_news %}
    union all
    select
        late_charges.settled_on,
        call_logs.owner_uin,
        call_logs.operate_uin,
        call_logs.action,
        call_logs.usage_date
    from checks.late_charges
    inner join raw.call_logs on late_charges.request_id = call_logs.request_id
    where
        call_logs.settled_on between late_charges.settled_on - {{ horizon_days }}
        and late_charges.settled_on - 1
        and call_logs.settled_on >= date '{{ horizon }}'
        and call_logs.settlement_floor >= date '{{ horizon }}' - 2
        and call_logs.error_code is null
        and call_logs.http_status between 200 and 299
    {%- endif %}
),

successes as (
    select
        records.settled_on,
        records.owner_uin,
        records.operate_uin,
        claims.component_code,
        records.usage_date,
        count(*) as records
    from records
    inner join claims on records.action = claims.claimed_action
    group by
        records.settled_on,
        records.owner_uin,
        records.operate_uin,
        claims.component_code,
        records.usage_date
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
