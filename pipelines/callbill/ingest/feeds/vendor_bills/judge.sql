{% from 'fields.sql' import instant, is_mangled_number, exact_number with context %}
{#
    A text as its sender meant it. Removed are the apostrophe that keeps a spreadsheet from
    evaluating a formula, the blanks and tabs that keep it from reading a number, and the dash for
    "no value".
#}
{% macro meant(text) -%}
nullif(nullif(
            case
                when regexp_matches({{ text }}, '^''+[=+\-@\t\r\n＝＋－＠]') then substr({{ text }}, 2)
                -- Blanks, tabs, no-break spaces and ideographic spaces.
                else trim({{ text }}, ' ' || chr(9) || chr(160) || chr(12288))
            end,
            ''
        ), '-')
{%- endmacro %}
{% set names = [
    'owner_uin', 'user_uin', 'operate_uin', 'product_name', 'sub_product_name', 'region',
    'resource_id', 'transaction_type', 'order_id', 'bill_id', 'component_type', 'component_name',
    'used_amount_unit'
] %}
{% set numbers = ['list_price', 'unit_price', 'discount', 'used_amount', 'real_cost'] %}
{% set times = ['pay_time', 'fee_begin_time', 'fee_end_time'] %}
-- One row per component of a line of the vendor's own bill: typed values, and the reason if the
-- line is rejected.
with texts as (
    {{ texts }}
),

meant as (
    select
        source_file_id,
        settlement_floor,
        arrived_on,
        line_number,
        odd_field,
        {% for name in names + numbers + times + ['bill_month'] %}
        {{ meant(name) }} as {{ name }},
        {% endfor %}
        {{ kept_fields }} as fields,
        {{ cleaned_fields }} as cleaned
    from texts
),

typed as (
    select
        source_file_id,
        settlement_floor,
        arrived_on,
        line_number,
        odd_field,
        {% for name in names %}
        {{ name }},
        {% endfor %}
        {% for name in numbers %}
        {{ name }} as {{ name }}_text,
        {{ exact_number(name) }} as exact_{{ name }},
        {% endfor %}
        {% for name in times %}
        {{ name }} as {{ name }}_text,
        -- The vendor's times are in the billing timezone.
        timezone('{{ billing_timezone }}', {{ instant(name, billing_timezone) }}) as {{ name }},
        {% endfor %}
        bill_month as bill_month_text,
        case
            when regexp_full_match(bill_month, '[1-9]\d{3}-\d{2}(-01)?')
                then try_cast(left(bill_month, 7) || '-01' as date)
        end as bill_month,
        fields,
        cleaned
    from meant
),

judged as (
    select
        source_file_id,
        settlement_floor,
        arrived_on,
        line_number,
        {% for name in names %}
        {{ name }},
        {% endfor %}
        bill_month,
        timezone('{{ billing_timezone }}', fee_begin_time) as fee_begin_time,
        cast(pay_time as date) as paid_on,
        cast(fee_begin_time as date) as usage_date,
        -- The period's end is inclusive, and midnight is the end of the day before.
        greatest(
            cast(fee_begin_time as date), cast(fee_end_time - interval 1 microsecond as date)
        ) as last_usage_date,
        -- A bill has lines of all products. A number that does not fit is null, and a difference
        -- that it would have explained stays unexplained.
        {% for name in ['list_price', 'unit_price', 'discount', 'used_amount'] %}
        case
            when
                try_cast(exact_{{ name }} as decimal(18, 8)) = exact_{{ name }}
                and ('{{ name }}' <> 'discount' or exact_{{ name }} between 0 and 1)
                then try_cast(exact_{{ name }} as decimal(18, 8))
        end as {{ name }},
        {% endfor %}
        try_cast(exact_real_cost as decimal(38, 8)) as real_cost,
        case
            when odd_field is not null then 'invalid_' || odd_field
            when owner_uin is null then 'missing_owner_uin'
            when
                {{ is_mangled_number('owner_uin') }}
                then 'invalid_owner_uin'
            when fee_begin_time_text is null then 'missing_fee_begin_time'
            {% for name in times %}
            when
                {{ name }}_text is not null
                and coalesce(
                    {{ name }} < timestamp '0001-01-01' or {{ name }} >= timestamp '9999-01-01',
                    true
                )
                then 'invalid_{{ name }}'
            {% endfor %}
            when bill_month_text is not null and bill_month is null then 'invalid_bill_month'
            when real_cost_text is null then 'missing_real_cost'
            when coalesce(exact_real_cost <> try_cast(exact_real_cost as decimal(38, 8)), true)
                then 'invalid_real_cost'
            {% for name in numbers %}
            when not regexp_full_match({{ name }}_text, '{{ number }}') then 'invalid_{{ name }}'
            {% endfor %}
        end as reason,
        fields,
        cleaned
    from typed
)

select * from judged
