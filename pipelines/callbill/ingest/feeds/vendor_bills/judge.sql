{% from 'fields.sql' import instant, is_mangled_number, exact_number with context %}
{% from 'identifiers.sql' import stripped %}
{#
    A text as its sender meant it. Removed are the apostrophe that keeps a spreadsheet from
    evaluating a formula, the blanks and tabs that keep it from reading a number, and the dash for
    "no value". Since version 2 of the reading rules that is what is left around identifiers too.
#}
{% macro meant(text) -%}
{% if reading_rules >= 2 -%}
nullif({{ stripped(text) }}, '-')
{%- else -%}
nullif(nullif(
            case
                when regexp_matches({{ text }}, '^''+[=+\-@\t\r\n＝＋－＠]') then substr({{ text }}, 2)
                -- Blanks, tabs, no-break spaces and ideographic spaces.
                else trim({{ text }}, ' ' || chr(9) || chr(160) || chr(12288))
            end,
            ''
        ), '-')
{%- endif %}
{%- endmacro %}
{#
    Since version 2 of the reading rules: a text without a spreadsheet's ="…", with digits and signs
    of full width as usual ones.
#}
{% macro plain(text) -%}
{% if reading_rules >= 2 -%}
translate(
            regexp_replace({{ text }}, '^''*(?:="(.*)"|(.*))$', '\1\2'),
            '０１２３４５６７８９．，：／－＋％　',
            '0123456789.,:/-+% '
        )
{%- else -%}
{{ text }}
{%- endif %}
{%- endmacro %}
{#
    A number as people and spreadsheets write it, without currency and thousands separators: of a
    plain text. Commas count as separators only where they stand every three digits. 85% is 85e-2.
#}
{% macro plain_number(text, field) -%}
{% if reading_rules >= 2 -%}
case
            when
                regexp_full_match(
                    {{ text }},
                    '[+-]?\s*(?:[¥￥]|CNY|RMB|人民币)?\s*[+-]?'
                    || '(\d+|\d{1,3}(,\d{3})+)(\.\d*)?\s*(元|CNY|RMB{{ '|%' if field == 'discount' }})?'
                )
                and regexp_matches({{ text }}, '[^0-9.+-]')
                then regexp_replace(
                    regexp_replace({{ text }}, '[^0-9.%+-]', '', 'g'), '%$', 'e-2'
                )
            else {{ text }}
        end
{%- else -%}
{{ text }}
{%- endif %}
{%- endmacro %}
{# A time as spreadsheets write it, of a plain text: 2026/9/1 0:00, 2026年9月1日. #}
{% macro plain_time(text) -%}
{% if reading_rules >= 2 -%}
{% set date_and_time = '(\\d{4})[-/.年](\\d{1,2})[-/.月](\\d{1,2})日?'
    ~ '(?:\\s+(\\d{1,2}):(\\d{2})(?::(\\d{2}))?)?' -%}
case
            when regexp_full_match({{ text }}, '{{ date_and_time }}')
                then regexp_extract({{ text }}, '{{ date_and_time }}', 1)
                {% for group in [2, 3] %}
                || '-' || lpad(regexp_extract({{ text }}, '{{ date_and_time }}', {{ group }}), 2, '0')
                {% endfor %}
                || ' ' || lpad(regexp_extract({{ text }}, '{{ date_and_time }}', 4), 2, '0')
                || ':' || lpad(regexp_extract({{ text }}, '{{ date_and_time }}', 5), 2, '0')
                || ':' || lpad(regexp_extract({{ text }}, '{{ date_and_time }}', 6), 2, '0')
            else {{ text }}
        end
{%- else -%}
{{ text }}
{%- endif %}
{%- endmacro %}
{% set names = [
    'owner_uin', 'user_uin', 'operate_uin', 'product_name', 'sub_product_name', 'region',
    'resource_id', 'transaction_type', 'order_id', 'bill_id', 'component_type', 'component_name',
    'used_amount_unit', 'currency'
] %}
{% set accounts = ['owner_uin', 'user_uin', 'operate_uin'] %}
{% set numbers = ['list_price', 'unit_price', 'discount', 'used_amount', 'real_cost'] %}
{# Kept as they are, null if they do not fit: nothing is computed from them. #}
{% set further_numbers = [
    'total_amount', 'deducted_amount', 'voucher_amount', 'incentive_amount', 'cash_amount',
    'transfer_amount'
] %}
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
        {% for name in names %}
        {{ plain(meant(name)) if name in accounts else meant(name) }} as {{ name }},
        {% endfor %}
        {% for name in numbers + further_numbers + times + ['bill_month'] %}
        {{ plain(meant(name)) }} as {{ name }},
        {% endfor %}
        {{ kept_fields }} as fields,
        {{ cleaned_fields }} as cleaned
    from texts
),

-- By themselves: a text that is named several times in one expression is planned as often.
as_usual as (
    select
        * replace (
            {% for name in numbers + further_numbers %}
            {{ plain_number(name, name) }} as {{ name }},
            {% endfor %}
            {% for name in times %}
            {{ plain_time(name) }} as {{ name }}{{ ',' if not loop.last }}
            {% endfor %}
        )
    from meant
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
        {% for name in further_numbers %}
        try_cast({{ exact_number(name) }} as decimal(38, 8)) as {{ name }},
        {% endfor %}
        bill_month as bill_month_text,
        case
            when regexp_full_match(bill_month, '[1-9]\d{3}-\d{2}(-01)?')
                then try_cast(left(bill_month, 7) || '-01' as date)
            {% if reading_rules >= 2 %}
            when regexp_full_match(bill_month, '[1-9]\d{3}(\d{2}|[/.]\d{1,2}|年\d{1,2}月)')
                then try_cast(
                    left(bill_month, 4)
                    || '-' || lpad(regexp_extract(substr(bill_month, 5), '\d+'), 2, '0')
                    || '-01' as date
                )
            -- The beginning of a period, as FOCUS has it.
            else
                cast(
                    date_trunc(
                        'month',
                        timezone(
                            '{{ billing_timezone }}',
                            {{ instant('bill_month', billing_timezone) }}
                        )
                    ) as date
                )
            {% endif %}
        end as bill_month,
        fields,
        cleaned
    from as_usual
),

judged as (
    select
        source_file_id,
        settlement_floor,
        arrived_on,
        line_number,
        {% for name in names if name != 'currency' %}
        {{ name }},
        {% endfor %}
        {% for name in further_numbers %}
        {{ name }},
        {% endfor %}
        bill_month,
        timezone('{{ billing_timezone }}', fee_begin_time) as fee_begin_time,
        cast(pay_time as date) as paid_on,
        cast(fee_begin_time as date) as usage_date,
        -- The period's end is inclusive, and midnight is the end of the day before.
        {% if reading_rules >= 2 %}
        case
            -- A day of another timezone is one day.
            when fee_end_time = fee_begin_time + interval 1 day then cast(fee_begin_time as date)
            else greatest(
                cast(fee_begin_time as date), cast(fee_end_time - interval 1 microsecond as date)
            )
        end as last_usage_date,
        {% else %}
        greatest(
            cast(fee_begin_time as date), cast(fee_end_time - interval 1 microsecond as date)
        ) as last_usage_date,
        {% endif %}
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
            {% if reading_rules >= 2 %}
            -- A sum below the lines of a saved bill, which has no time and says so in some column.
            when
                fee_begin_time_text is null
                and regexp_matches(
                    lower(concat_ws(chr(10), {{ names | join(', ') }}, bill_month_text)),
                    '(?m)^\s*(合计|总计|小计|共计|(grand |sub)?totals?)\s*[:：]?\s*$'
                )
                then 'total_line'
            when upper(currency) not in ('CNY', 'RMB', '人民币', '元') then 'other_currency'
            {% endif %}
            when owner_uin is null then 'missing_owner_uin'
            when
                {{ is_mangled_number('owner_uin') }}
                then 'invalid_owner_uin'
            when fee_begin_time_text is null then 'missing_fee_begin_time'
            {% for name in times %}
            when
                {{ name }}_text is not null
                and coalesce(
                    {{ name }} < timestamp '{{ '2000' if reading_rules >= 2 else '0001' }}-01-01'
                    or {{ name }} >= timestamp '9999-01-01',
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
