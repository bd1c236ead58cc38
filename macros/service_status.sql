{# Orders changes of one instant: money that came in is gone again where arrears begin with it. #}
{% macro active_last(status) -%}
    case when {{ status }} = 'active' then 1 else 0 end
{%- endmacro %}
