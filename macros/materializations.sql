{#
    How `dbt build` keeps what dbt has no materialization for. A night keeps models in the same way
    and without dbt: pipelines/callbill/warehouse/relations.py.
#}

{#
    A table by settlement date: what is due replaces whatever an earlier, unpublished run left for
    those dates or later ones. Sealed dates are never touched. A model whose columns are no longer
    those of the table fails.
#}
{% materialization incremental, adapter="duckdb" -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- call statement('main') -%}
        {%- if config.get('contract').enforced %}{{ get_assert_columns_equivalent(sql) }}{% endif %}
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
    {%- do persist_docs(target, model) -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target]}) }}
{%- endmaterialization %}

{# Statements that leave nothing that a model could read. #}
{% materialization statements, adapter="duckdb" -%}
    {%- call statement('main') -%}
        {{ sql }}
    {%- endcall -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': []}) }}
{%- endmaterialization %}
