-- Restates what a successful record is, on purpose: a control does not trust what it checks.
-- A call that is charged late counts by the record that waited. Which claim is in force is left
-- aside. Where claims ask for attributes, a record is for those components only whose claims it can
-- fit: by what it says itself, or by what was ever said of its account for its day. If it fits a
-- claim that never was another by what it says itself, claims that ask for less are not for it.
with claims as (
    select distinct
        catalogue_rows.row[1] as claimed_action,
        catalogue_rows.row[2] as component_code,
        coalesce(catalogue_rows.row[5], '') as asked,
        coalesce(try_cast(catalogue_rows.row[3] as date), date '-infinity') as effective_from,
        catalogue_rows.counts_from,
        count(*) over (
            partition by catalogue_rows.row[1], coalesce(catalogue_rows.row[5], '')
        ) = 1 as is_its_only_version
    from ops.catalogue_rows
    where catalogue_rows.seed = 'component_actions'
),

records as (
    select
        call_logs.settled_on,
        call_logs.owner_uin,
        call_logs.operate_uin,
        call_logs.action,
        coalesce(call_logs.attributes, '') as attributes,
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
        coalesce(call_logs.attributes, '') as attributes,
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

counted_records as (
    select
        settled_on,
        owner_uin,
        operate_uin,
        action,
        attributes,
        usage_date,
        count(*) as records
    from records
    group by settled_on, owner_uin, operate_uin, action, attributes, usage_date
),

kinds as (
    select distinct
        settled_on,
        owner_uin,
        action,
        attributes,
        usage_date
    from counted_records
),

asked_pairs as (
    select distinct
        asked,
        unnest(string_split(asked, ';')) as pair
    from claims
    where asked <> ''
),

account_pairs as (
    select
        owner_uin,
        concat(attribute, '=', replace(value, ';', '%3B')) as pair,
        effective_from,
        settlement_floor
    from raw.account_attributes
),

judged_pairs as (
    select
        kinds.*,
        claims.component_code,
        claims.asked,
        claims.is_its_only_version
        and claims.effective_from <= kinds.usage_date
        and claims.counts_from <= kinds.settled_on as is_in_force,
        asked_pairs.pair,
        asked_pairs.pair is null
        or contains(concat(';', kinds.attributes, ';'), concat(';', asked_pairs.pair, ';'))
            as is_said_by_record,
        bool_or(
            account_pairs.pair is not null
            and not contains(
                concat(';', kinds.attributes),
                concat(';', split_part(asked_pairs.pair, '=', 1), '=')
            )
        ) as is_said_of_account
    from kinds
    inner join claims on kinds.action = claims.claimed_action
    left join asked_pairs on claims.asked = asked_pairs.asked
    left join account_pairs
        on
            kinds.owner_uin = account_pairs.owner_uin
            and asked_pairs.pair = account_pairs.pair
            and kinds.usage_date >= account_pairs.effective_from
            and kinds.settled_on >= account_pairs.settlement_floor
    group by all
),

possible as (
    select
        settled_on,
        owner_uin,
        action,
        attributes,
        usage_date,
        component_code,
        count(pair) as asked_attributes,
        bool_and(is_in_force and is_said_by_record) as is_certain
    from judged_pairs
    group by
        settled_on,
        owner_uin,
        action,
        attributes,
        usage_date,
        component_code,
        asked,
        is_in_force
    having bool_and(is_said_by_record or is_said_of_account)
),

claimed as (
    select distinct
        settled_on,
        owner_uin,
        action,
        attributes,
        usage_date,
        component_code
    from possible
    qualify
        asked_attributes >= coalesce(
            max(asked_attributes) filter (where is_certain) over (
                partition by settled_on, owner_uin, action, attributes, usage_date
            ),
            0
        )
),

successes as (
    select
        counted_records.settled_on,
        counted_records.owner_uin,
        counted_records.operate_uin,
        claimed.component_code,
        counted_records.usage_date,
        sum(counted_records.records) as records
    from counted_records
    inner join claimed
        on
            counted_records.settled_on = claimed.settled_on
            and counted_records.owner_uin = claimed.owner_uin
            and counted_records.action = claimed.action
            and counted_records.attributes = claimed.attributes
            and counted_records.usage_date = claimed.usage_date
    group by
        counted_records.settled_on,
        counted_records.owner_uin,
        counted_records.operate_uin,
        claimed.component_code,
        counted_records.usage_date
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
