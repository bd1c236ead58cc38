{#
    The settlement dates that a run settles, from ops.settlement_window, as literals: DuckDB then opens
    only the folders of those dates. They are read at run time and are not dbt vars, because every new
    value of a var would have dbt parse the whole project again.
#}
{% macro settle_from() -%}
    date '{{ settlement_window()[0] }}'
{%- endmacro %}

{% macro settle_through() -%}
    date '{{ settlement_window()[1] }}'
{%- endmacro %}

{% macro settlement_window() %}
    {% if not execute %}
        {#- As if all were asked for, so that dbt learns of every reference. -#}
        {{ return(['2000-01-01', '2000-01-01', 2, true, true, '2000-01-01', true, true]) }}
    {% endif %}
    {#- Asked once per model: a result can be loaded once, so it is stored again. -#}
    {% set window = load_result('settlement_window') %}
    {% if window is none %}
        {% call statement('settlement_window', fetch_result=True, auto_begin=False) -%}
            select
                settle_from, settle_through, billing_rules, has_catalogue_news,
                has_cleaned_identifiers, count_records_from, has_attribute_claims,
                has_quantity_prices
            from {{ source('ops', 'settlement_window').render() }}
        {%- endcall %}
        {% set window = load_result('settlement_window') %}
    {% endif %}
    {% do store_result('settlement_window', window.response, window.table) %}
    {{ return(window.table.rows[0].values()) }}
{% endmacro %}

{# The version of the billing rules by which these dates are settled, as a number. #}
{% macro billing_rules() -%}
    {{ return(settlement_window()[2] | int) }}
{%- endmacro %}

{#
    Whether a claim or a price begins to count on one of these dates, or the rules by which unrated
    calls wait begin. Only then are the calls of earlier days gone through.
#}
{% macro has_catalogue_news() -%}
    {{ return(settlement_window()[3] | default(false)) }}
{%- endmacro %}

{# Whether a text of ops.cleaned_identifiers may be among the records that belong to these dates. #}
{% macro has_cleaned_identifiers() -%}
    {{ return(settlement_window()[4] | default(false)) }}
{%- endmacro %}

{# Whether a claim asks for attributes: see macros/claims.sql. #}
{% macro has_attribute_claims() -%}
    {{ return(settlement_window()[6] | default(false)) }}
{%- endmacro %}

{# The first date whose records are counted by action; those of days before it were counted already. #}
{% macro count_records_from() -%}
    date '{{ settlement_window()[5] | default(settlement_window()[0], true) }}'
{%- endmacro %}

{#
    Whether a price may depend on how much: a ladder, a package or a waiver is known by these dates.
    Without them there is nothing to count over.
#}
{% macro has_quantity_prices() -%}
    {{ return(settlement_window()[7] | default(false)) }}
{%- endmacro %}

{# True for the rows that the run at hand settles. #}
{% macro is_due(settled_on='settled_on') -%}
    {{ settled_on }} between {{ settle_from() }} and {{ settle_through() }}
{%- endmacro %}

{#
    What is_due() implies for the folder that a record lies in: usage is at most a day after arrival,
    so a record is settled at most two days after its floor. DuckDB then opens only the folders that
    can matter. `first` is an earlier date from which on records are wanted too.
#}
{% macro may_hold_due_records(first=none) -%}
    settlement_floor between {{ first or settle_from() }} - 2 and {{ settle_through() }}
{%- endmacro %}

{# The same for records that a run leaves for later dates. #}
{% macro may_hold_waiting_records() -%}
    settlement_floor >= {{ settle_through() }} - 1
{%- endmacro %}
