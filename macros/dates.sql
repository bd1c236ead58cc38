{# Days from one date to a later one. #}
{% macro days_between(later, earlier) -%}
    {{ return(adapter.dispatch('days_between', 'callbill')(later, earlier)) }}
{%- endmacro %}

{% macro duckdb__days_between(later, earlier) -%}
    ({{ later }} - {{ earlier }})
{%- endmacro %}

{% macro spark__days_between(later, earlier) -%}
    datediff({{ later }}, {{ earlier }})
{%- endmacro %}

{# A date so many days later. #}
{% macro plus_days(day, days) -%}
    {{ return(adapter.dispatch('plus_days', 'callbill')(day, days)) }}
{%- endmacro %}

{% macro duckdb__plus_days(day, days) -%}
    ({{ day }} + {{ days }})
{%- endmacro %}

{% macro spark__plus_days(day, days) -%}
    date_add({{ day }}, {{ days }})
{%- endmacro %}

{# In a select list: a row for each date from one to another. #}
{% macro each_day(first, last) -%}
    {{ return(adapter.dispatch('each_day', 'callbill')(first, last)) }}
{%- endmacro %}

{% macro duckdb__each_day(first, last) -%}
    cast(unnest(generate_series({{ first }}, {{ last }}, interval 1 day)) as date)
{%- endmacro %}

{% macro spark__each_day(first, last) -%}
    explode(case when {{ first }} <= {{ last }} then sequence({{ first }}, {{ last }}) end)
{%- endmacro %}

{# The instant at which a date begins in the billing timezone. #}
{% macro start_of_day(day) -%}
    {{ return(adapter.dispatch('start_of_day', 'callbill')(day)) }}
{%- endmacro %}

{% macro duckdb__start_of_day(day) -%}
    timezone('{{ var('billing_timezone') }}', cast({{ day }} as timestamp))
{%- endmacro %}

{# The session's time zone is UTC. #}
{% macro spark__start_of_day(day) -%}
    to_utc_timestamp(cast({{ day }} as timestamp), '{{ var('billing_timezone') }}')
{%- endmacro %}
