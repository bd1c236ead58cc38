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
    {%- if var('deduction_rounding') == 'half_up' -%}
        cast(round({{ rated_amount }}, 2) as decimal(18, 2))
    {%- elif var('deduction_rounding') == 'down' -%}
        cast(trunc({{ rated_amount }}, 2) as decimal(18, 2))
    {%- else -%}
        {{ exceptions.raise_compiler_error('deduction_rounding is neither half_up nor down') }}
    {%- endif -%}
{%- endmacro %}

{# Whether a cost, of somebody else's bill, is what an exact one comes to when it is rounded to the
   nearest or cut off, at 2 to 8 decimals. #}
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
