{# How far apart, in settlement dates, the records of one call may lie. #}
{% macro dedup_horizon_days() -%}
    {{ [var('dedup_horizon_days'), var('max_usage_age_days')] | max | int }}
{%- endmacro %}

{# True for the settled rows that a due record can belong to the same call with. #}
{% macro is_within_horizon(settled_on='settled_on', settlement_floor='settlement_floor') -%}
    {{ settled_on }} between {{ settle_from() }} - {{ dedup_horizon_days() }}
    and {{ settle_from() }} - 1
    {%- if settlement_floor %}
    and {{ settlement_floor }} between {{ settle_from() }} - {{ dedup_horizon_days() }} - 2
    and {{ settle_from() }} - 1
    {%- endif %}
{%- endmacro %}
