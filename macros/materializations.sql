{#
    How DuckDB keeps models. dbt's own materializations build beside what is there, rename twice
    and drop: ten statements where DuckDB needs one, and of a small night's seconds most are theirs.
#}

{% materialization table, adapter="duckdb" -%}
    {{ return(replace_relation('table')) }}
{%- endmaterialization %}

{% materialization view, adapter="duckdb" -%}
    {{ return(replace_relation('view')) }}
{%- endmaterialization %}

{% macro replace_relation(type) -%}
    {%- set target = this.incorporate(type=type) -%}
    {%- call statement('main') -%}
        {{ assert_contract(sql) }}
        create or replace {{ type }} {{ target }} as
        {{ sql }}
    {%- endcall -%}
    {{ return(finish_model(target)) }}
{%- endmacro %}

{#
    A table by settlement date: what is due replaces whatever an earlier, unpublished run left for
    those dates or later ones. Sealed dates are never touched. A model whose columns are no longer
    those of the table fails.
#}
{% materialization incremental, adapter="duckdb" -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- call statement('main') -%}
        {{ assert_contract(sql) }}
        {% if existing is none or should_full_refresh() -%}
            create or replace table {{ target }} as
            {{ sql }}
        {%- else -%}
            {%- set columns = adapter.get_columns_in_relation(existing)
                | map(attribute='quoted') | join(', ') -%}
            delete from {{ target }} where settled_on >= {{ settle_from() }};
            insert into {{ target }} by name
            select {{ columns }}, * exclude ({{ columns }}) from (
                {{ sql }}
            )
        {%- endif %}
    {%- endcall -%}
    {{ return(finish_model(target)) }}
{%- endmaterialization %}

{# Whether the warehouse does not have the table of an incremental model yet. #}
{% macro is_new_table() -%}
    {{ return(execute and load_cached_relation(this) is none) }}
{%- endmacro %}

{% macro assert_contract(sql) -%}
    {%- if config.get('contract').enforced %}{{ get_assert_columns_equivalent(sql) }}{% endif -%}
{%- endmacro %}

{% macro quoted(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro %}

{# What every model ends with. dbt's own way to its comments asks for each relation's columns. #}
{% macro finish_model(target) -%}
    {{- run_hooks(post_hooks, inside_transaction=True) -}}
    {%- if config.persist_column_docs() -%}
        {%- call statement('comments') -%}
            comment on {{ target.type }} {{ target }} is {{ quoted(model.description) }};
            {%- for column in model.columns.values() %}
            comment on column {{ target }}.{{ column.name }}
            is {{ quoted(column.description) }};
            {%- endfor %}
        {%- endcall -%}
    {%- endif -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target]}) }}
{%- endmacro %}
