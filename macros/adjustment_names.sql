{# What the vendor calls a month's precision adjustment, by code and by name. #}
{% macro adjustment_names() -%}
    ('billVirtualId', '月度计费精度差异')
{%- endmacro %}
