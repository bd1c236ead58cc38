{# What accounts' ledgers and times of service are made with. #}

{# Deductions leave an account at 08:00 of the settlement date, billing time. #}
{% macro deducted_at(settled_on) -%}
    {{ callbill.start_of_day(settled_on) }} + interval 8 hour
{%- endmacro %}

{# What a ledger entry names a settlement by, beside its owner. #}
{% macro settlement_reference(settlements) -%}
    concat(
        cast({{ settlements }}.settled_on as varchar), '/',
        {{ settlements }}.product_code, '/',
        cast({{ settlements }}.bill_month as varchar)
    )
{%- endmacro %}

{# The instant at which the last settled day ends: what comes after it has not happened yet. #}
{% macro end_of_settled_time() -%}
    {{ callbill.start_of_day(callbill.settle_through(plus_days=1)) }}
{%- endmacro %}

{# A sum over an account's entries up to the one at hand. #}
{% macro running_sum(amount) -%}
    sum({{ amount }}) over (partition by owner_uin order by entry_no rows unbounded preceding)
{%- endmacro %}

{# Orders turns of one instant: money that came in is gone again where arrears begin with it. #}
{% macro active_last(status) -%}
    case when {{ status }} = 'active' then 1 else 0 end
{%- endmacro %}
