{# What the vendor's bills are held against ours with. #}

{# What the vendor calls a month's precision adjustment, by code and by name. #}
{% macro adjustment_names() -%}
    ('billVirtualId', '月度计费精度差异')
{%- endmacro %}

{# What calls cost at a price. Of somebody else's bill there may be more than can be multiplied:
   those cost nothing here, so that what they do cost is left to be named. #}
{% macro cost_at(calls, calls_per_price_unit, price) -%}
    {{ callbill.line_cost(
        callbill.used_amount(
            'case when abs(' ~ calls ~ ') < 10000000000 then ' ~ calls ~ ' else 0 end',
            calls_per_price_unit
        ),
        price
    ) }}
{%- endmacro %}
