{#
    The arithmetic of money: every rounding of callbill stands in this file. All of it is DECIMAL,
    half away from zero. A factor of 19 digits gives a product of 38. Two factors of 18 digits would
    give one of 18, which overflows.
#}

{#
    A number of calls in price units: 8 decimals. The divisor is a power of ten up to 10^8, so this
    is exact. It is made of multiplications, because DuckDB divides decimals as binary fractions.
#}
{% macro used_amount(calls, calls_per_price_unit) -%}
    cast(
        cast({{ calls }} as decimal(18, 0))
        * cast(100000000 // {{ calls_per_price_unit }} as decimal(9, 0))
        * cast(0.00000001 as decimal(9, 8)) as decimal(18, 8)
    )
{%- endmacro %}

{# What a used amount costs at a price: 8 decimals. #}
{% macro line_cost(used_amount, price) -%}
    cast(round(cast({{ used_amount }} as decimal(19, 8)) * {{ price }}, 8) as decimal(38, 8))
{%- endmacro %}

{# The price after a discount, 优惠后单价: 8 decimals. #}
{% macro discounted_price(list_price, discount) -%}
    cast(round(cast({{ list_price }} as decimal(19, 8)) * {{ discount }}, 8) as decimal(18, 8))
{%- endmacro %}

{# What leaves the account for a rated amount: 2 decimals, by var deduction_rounding. #}
{% macro deducted_amount(rated_amount) -%}
    {%- set rounding = {'half_up': 'round', 'down': 'trunc'}[var('deduction_rounding')] -%}
    cast({{ rounding }}({{ rated_amount }}, 2) as decimal(18, 2))
{%- endmacro %}

{# Whether a vendor's cost is an exact one that was rounded or cut off at 2 to 8 decimals. #}
{% macro is_rounded_from(cost, exact) -%}
    (
        {%- for decimals in range(2, 9) %}
        {%- set unit = 'cast(' ~ '0.' ~ '0' * (decimals - 1) ~ '1 as decimal(9, 8))' %}
        {{ 'or ' if not loop.first }}{{ cost }} = cast(round({{ exact }}, {{ decimals }}) as decimal(38, 8))
        or (
            {{ cost }} = cast(round({{ cost }}, {{ decimals }}) as decimal(38, 8))
            and abs({{ exact }}) - abs({{ cost }}) >= 0
            and abs({{ exact }}) - abs({{ cost }}) < {{ unit }}
            and ({{ cost }} = 0 or ({{ cost }} > 0) = ({{ exact }} > 0))
        )
        {%- endfor %}
    )
{%- endmacro %}

{#
    What a number of calls costs at a price. A vendor's bill may state more calls than can be
    multiplied: those cost nothing here, so that their real cost stays to be named.
#}
{% macro cost_at(calls, calls_per_price_unit, price) -%}
    {{ line_cost(
        used_amount(
            'case when abs(' ~ calls ~ ') < 10000000000 then ' ~ calls ~ ' else 0 end',
            calls_per_price_unit
        ),
        price
    ) }}
{%- endmacro %}
