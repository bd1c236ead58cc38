{# A folder's schema is its name as it stands: people query `billing.bill_lines`. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
