{#
    Deductions leave an account at 08:00 of the settlement date, billing time. Exports ask for the same
    time of day.
#}
{% macro deduction_time() -%}
    interval 8 hour
{%- endmacro %}

{# The instant of a settlement's deduction. #}
{% macro deducted_at(settled_on) -%}
    {{ start_of_day(settled_on) }} + {{ deduction_time() }}
{%- endmacro %}
