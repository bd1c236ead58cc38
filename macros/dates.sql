{# Days from one date to a later one. #}
{% macro days_between(later, earlier) -%}
    {{ return(adapter.dispatch('days_between', 'callbill')(later, earlier)) }}
{%- endmacro %}

{% macro duckdb__days_between(later, earlier) -%}
    ({{ later }} - {{ earlier }})
{%- endmacro %}

{# A date so many days later. #}
{% macro plus_days(day, days) -%}
    {{ return(adapter.dispatch('plus_days', 'callbill')(day, days)) }}
{%- endmacro %}

{% macro duckdb__plus_days(day, days) -%}
    ({{ day }} + {{ days }})
{%- endmacro %}
