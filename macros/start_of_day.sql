{# The instant at which a date begins in the billing timezone. #}
{% macro start_of_day(day) -%}
    timezone('{{ var('billing_timezone') }}', cast({{ day }} as timestamp))
{%- endmacro %}
