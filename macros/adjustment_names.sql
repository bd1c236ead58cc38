{# What the vendor calls a month's precision adjustment, by code, by name, and in FOCUS. #}
{% macro adjustment_names() -%}
    ('billVirtualId', '月度计费精度差异', 'Adjustment')
{%- endmacro %}
