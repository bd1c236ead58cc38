{#
    The settlement dates that a run settles, from ops.settlement_window, as literals: DuckDB then
    opens only the folders of those dates. They are read at run time and are not dbt vars,
    because every new value of a var would have dbt parse the whole project again.
#}
{% macro settle_from(plus_days=0) -%}
    {%- set first = callbill._settlement_window()[0] -%}
    date '{{ first + modules.datetime.timedelta(days=plus_days) }}'
{%- endmacro %}

{% macro settle_through(plus_days=0) -%}
    {%- set last = callbill._settlement_window()[1] -%}
    date '{{ last + modules.datetime.timedelta(days=plus_days) }}'
{%- endmacro %}

{% macro _settlement_window() %}
    {% if not execute %}
        {{ return([modules.datetime.date(2000, 1, 1), modules.datetime.date(2000, 1, 1)]) }}
    {% endif %}
    {#- Asked once per model: a result can be loaded once, so it is stored again. -#}
    {% set window = load_result('settlement_window') %}
    {% if window is none %}
        {% call statement('settlement_window', fetch_result=True, auto_begin=False) -%}
            select settle_from, settle_through from {{ source('ops', 'settlement_window').render() }}
        {%- endcall %}
        {% set window = load_result('settlement_window') %}
    {% endif %}
    {% do store_result('settlement_window', window.response, window.table) %}
    {{ return([window.table.rows[0][0], window.table.rows[0][1]]) }}
{% endmacro %}

{# True for the rows that the run at hand settles. #}
{% macro is_due(settled_on='settled_on') -%}
    {{ settled_on }} between {{ callbill.settle_from() }} and {{ callbill.settle_through() }}
{%- endmacro %}

{# How far apart, in settlement dates, the records of one call may lie. #}
{% macro dedup_horizon_days() -%}
    {{ [var('dedup_horizon_days'), var('max_usage_age_days')] | max }}
{%- endmacro %}

{#
    What is_due() implies for the folder that a record lies in: usage is at most a day after
    arrival, so a record is settled at most two days after its floor. With this condition
    DuckDB opens only the folders that can matter.
#}
{% macro may_hold_due_records() -%}
    settlement_floor between {{ callbill.settle_from(-2) }} and {{ callbill.settle_through() }}
{%- endmacro %}

{# True for the settled rows that a due record can belong to the same call with. #}
{% macro is_within_horizon(settled_on='settled_on', settlement_floor='settlement_floor') -%}
    {%- set horizon = callbill.dedup_horizon_days() | int -%}
    {{ settled_on }} between {{ callbill.settle_from(-horizon) }} and {{ callbill.settle_from(-1) }}
    {%- if settlement_floor %}
    and {{ settlement_floor }} between {{ callbill.settle_from(-horizon - 2) }}
    and {{ callbill.settle_from(-1) }}
    {%- endif %}
{%- endmacro %}
