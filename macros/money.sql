{#
    The arithmetic of money: every rounding of callbill stands in this file. All of it is DECIMAL,
    half away from zero. 19 digits on one side make a product of 38, which DuckDB and Spark both
    hold without loss; of two 18-digit operands DuckDB would keep 18.
#}

{# A number of calls in price units. The divisor is a power of ten, so this is exact. #}
{% macro used_amount(calls, calls_per_price_unit) -%}
    cast(
        cast({{ calls }} as decimal(18, 0)) * case {{ calls_per_price_unit }}
            {%- for exponent in range(9) %}
            when {{ 10 ** exponent }}
                then cast({{ '1' if exponent == 0 else '0.' ~ '0' * (exponent - 1) ~ '1' }} as decimal(9, 8))
            {%- endfor %}
        end as decimal(18, 8)
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
        cast({{ callbill.truncate_to_fen(rated_amount) }} as decimal(18, 2))
    {%- else -%}
        {{ exceptions.raise_compiler_error('deduction_rounding is neither half_up nor down') }}
    {%- endif -%}
{%- endmacro %}

{% macro truncate_to_fen(amount) -%}
    {{ return(adapter.dispatch('truncate_to_fen', 'callbill')(amount)) }}
{%- endmacro %}

{# round() of what is 5 thousandths nearer to zero would err at the limits; whole fen do not. They are
   cast, because Spark compares what would take more than 38 digits at fewer decimals. #}
{% macro default__truncate_to_fen(amount) -%}
    {%- set whole_fen = 'cast(round(' ~ amount ~ ', 2) as decimal(18, 2))' -%}
    case
        when abs({{ whole_fen }}) <= abs({{ amount }}) then {{ whole_fen }}
        when {{ amount }} < 0 then {{ whole_fen }} + cast(0.01 as decimal(18, 2))
        else {{ whole_fen }} - cast(0.01 as decimal(18, 2))
    end
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
