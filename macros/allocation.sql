{#
    An amount of 8 decimals shared out by weights, exactly: the method of the largest remainder, in
    units of the 8th decimal and on absolute values. Each row first gets the whole units of its
    share. The units that are left go to the rows whose shares lost most by that, one each.

    All is whole numbers. The amount is divided before it is multiplied, so that no product needs
    more than the digits of a HUGEINT. Dividing those takes ten times as long as dividing BIGINTs,
    which nearly all amounts and calls fit.
#}
{% macro units(amount) -%}
    cast(abs({{ amount }}) * cast(100000000 as decimal(9, 0)) as hugeint)
{%- endmacro %}

{% macro whole_share(units, weight, total) -%}
    case
        when {{ fits_bigint(units, weight, total) }}
            then cast({{ whole_share_of(
                "cast(" ~ units ~ " as bigint)", "cast(" ~ weight ~ " as bigint)",
                "cast(" ~ total ~ " as bigint)"
            ) }} as hugeint)
        else {{ whole_share_of(units, weight, total) }}
    end
{%- endmacro %}

{% macro whole_share_of(units, weight, total) -%}
    ({{ units }} // {{ total }}) * {{ weight }}
    + (({{ units }} % {{ total }}) * {{ weight }}) // {{ total }}
{%- endmacro %}

{% macro lost_by_share(units, weight, total) -%}
    case
        when {{ fits_bigint(units, weight, total) }}
            then cast({{ lost_by_share_of(
                "cast(" ~ units ~ " as bigint)", "cast(" ~ weight ~ " as bigint)",
                "cast(" ~ total ~ " as bigint)"
            ) }} as hugeint)
        else {{ lost_by_share_of(units, weight, total) }}
    end
{%- endmacro %}

{% macro lost_by_share_of(units, weight, total) -%}
    (({{ units }} % {{ total }}) * {{ weight }}) % {{ total }}
{%- endmacro %}

{# Nothing that is worked out of them is more than the units, or the square of the total. #}
{% macro fits_bigint(units, weight, total) -%}
    {{ weight }} <= {{ total }} and {{ total }} < 2147483648 and {{ units }} < 9223372036854775807
{%- endmacro %}

{# Units back as an amount. #}
{% macro amount_of_units(units) -%}
    cast(cast({{ units }} as decimal(38, 0)) * cast(0.00000001 as decimal(9, 8)) as decimal(38, 8))
{%- endmacro %}
