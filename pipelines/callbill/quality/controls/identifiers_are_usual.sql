-- Request ids and accounts of due records that look as if something was left on them. Accounts are
-- letters and digits of any script; nearly all of a service's are long numbers.
with due_records as (
    select
        owner_uin,
        request_id
    from raw.call_logs
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and settlement_floor between date '{{ settle_from }}' - 2 and date '{{ settle_through }}'
),

request_ids as (
    select
        'request_id' as field,
        min(request_id) as identifier,
        owner_uin,
        count(*) as records
    from due_records
    where regexp_matches(request_id, '[^0-9A-Za-z._:/+=|@#~-]')
    group by owner_uin
),

accounts as (
    select
        'owner_uin' as field,
        owner_uin as identifier,
        owner_uin,
        sum(calls_received) as records
    from intermediate.int_daily_usage_changes
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    group by owner_uin
    union all
    select
        'operate_uin' as field,
        operate_uin as identifier,
        owner_uin,
        sum(calls_received) as records
    from intermediate.int_daily_usage_changes
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and operate_uin <> owner_uin
    group by operate_uin, owner_uin
),

judged_accounts as (
    select
        *,
        not regexp_full_match(identifier, '[0-9A-Za-z._:/+=|@#~\p{L}\p{Nd}-]+')
        or regexp_matches(identifier, '[\x{ff00}-\x{ffef}]') as is_odd,
        regexp_full_match(identifier, '[1-9][0-9]{4,}') as is_number
    from accounts
),

counted_accounts as (
    select
        count(distinct identifier) as all_accounts,
        count(distinct identifier) filter (where is_number) as number_accounts
    from judged_accounts
)

select
    field,
    identifier,
    owner_uin,
    records
from request_ids
union all
select
    judged_accounts.field,
    judged_accounts.identifier,
    judged_accounts.owner_uin,
    judged_accounts.records
from judged_accounts
cross join counted_accounts
where
    judged_accounts.is_odd
    or (
        not judged_accounts.is_number
        and counted_accounts.all_accounts >= 20
        and counted_accounts.number_accounts * 100 >= counted_accounts.all_accounts * 95
    )
