{#
    An amount of 8 decimals shared out by weights, exactly: the method of the largest remainder, in
    units of the 8th decimal and on absolute values. Each row first gets the whole units of its
    share. The units that are left go to the rows whose shares lost most by that, one each.

    All is whole numbers. The amount is divided before it is multiplied, so that no product needs
    more than the digits of a HUGEINT.
#}
{% macro units(amount) -%}
    cast(abs({{ amount }}) * cast(100000000 as decimal(9, 0)) as hugeint)
{%- endmacro %}

{% macro whole_share(units, weight, total) -%}
    (({{ units }}) // {{ total }}) * {{ weight }}
    + ((({{ units }}) % {{ total }}) * {{ weight }}) // {{ total }}
{%- endmacro %}

{% macro lost_by_share(units, weight, total) -%}
    ((({{ units }}) % {{ total }}) * {{ weight }}) % {{ total }}
{%- endmacro %}

{# Units back as an amount. #}
{% macro amount_of_units(units) -%}
    cast(cast({{ units }} as decimal(38, 0)) * cast(0.00000001 as decimal(9, 8)) as decimal(38, 8))
{%- endmacro %}
