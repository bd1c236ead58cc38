{# The instant at which a date begins in the billing timezone. #}
{% macro start_of_day(day) -%}
    timezone('{{ var('billing_timezone') }}', cast({{ day }} as timestamp))
{%- endmacro %}

{# The instant at which the last settled day ends: what comes after it has not happened yet. #}
{% macro end_of_settled_time() -%}
    {{ start_of_day(settle_through() ~ ' + 1') }}
{%- endmacro %}
