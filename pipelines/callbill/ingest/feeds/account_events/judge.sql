{% from 'fields.sql' import instant, is_mangled_number, exact_number with context %}
-- One row per line of an account events file: typed values, and the reason if the line is rejected.
--
-- A line is judged by itself here. event_verdicts.py judges it against other events.
with texts as (
    {{ texts }}
),

typed as (
    select
        source_file_id,
        settlement_floor,
        line_number,
        event_id,
        owner_uin,
        operate_uin,
        occurred_at as occurred_at_text,
        event_type,
        amount as amount_text,
        memo,
        odd_field,
        {{ instant('occurred_at') }} as occurred_at,
        {{ exact_number('amount') }} as exact_amount,
        {{ kept_fields }} as fields,
        {{ cleaned_fields }} as cleaned
    from texts
),

judged as (
    select
        source_file_id,
        settlement_floor,
        line_number,
        event_id,
        owner_uin,
        coalesce(operate_uin, owner_uin) as operate_uin,
        occurred_at,
        event_type,
        -- An activation moves no money.
        case
            when event_type <> 'activate' then try_cast(exact_amount as decimal(18, 2))
        end as amount,
        memo,
        case
            when odd_field is not null then 'invalid_' || odd_field
            when event_id is null then 'missing_event_id'
            when
                {{ is_mangled_number('event_id') }}
                then 'invalid_event_id'
            when owner_uin is null then 'missing_owner_uin'
            when
                {{ is_mangled_number('owner_uin') }}
                then 'invalid_owner_uin'
            when
                {{ is_mangled_number('operate_uin') }}
                then 'invalid_operate_uin'
            when occurred_at_text is null then 'missing_occurred_at'
            when occurred_at is null
                then case
                    when regexp_full_match(occurred_at_text, '{{ iso_naive }}')
                        then 'occurred_at_without_offset'
                    else 'invalid_occurred_at'
                end
            when
                occurred_at < {{ first_instant }}
                or occurred_at >= timestamptz '9999-01-01 00:00:00+00'
                then 'invalid_occurred_at'
            when event_type is null then 'missing_event_type'
            when event_type = 'refund' then 'refund_of_post_paid_charges'
            when
                event_type not in (
                    'activate',
                    'opening_balance',
                    'recharge',
                    'credit_grant',
                    'block',
                    'unblock',
                    'adjust_deduct',
                    'adjust_compensate'
                )
                then 'unknown_event_type'
            when event_type = 'activate' and operate_uin <> owner_uin
                then 'activation_by_sub_account'
            when event_type = 'activate'
                then case
                    when amount_text is not null and coalesce(exact_amount <> 0, true)
                        then 'invalid_amount'
                end
            when amount_text is null then 'missing_amount'
            when
                coalesce(
                    exact_amount <= 0 or exact_amount <> try_cast(exact_amount as decimal(18, 2)),
                    true
                )
                then 'invalid_amount'
        end as reason,
        fields,
        cleaned
    from typed
)

select * from judged
