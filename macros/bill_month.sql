{#
    The month that a line is billed in: the usage month while that is open, which it is for
    settlements up to the 1st of the next month; later knowledge is billed in the month it is
    settled in, so that a closed month never changes.
#}
{% macro bill_month(usage_date, settled_on) -%}
    cast(
        case
            when {{ settled_on }} <= date_trunc('month', {{ usage_date }}) + interval 1 month
                then date_trunc('month', {{ usage_date }})
            else date_trunc('month', {{ settled_on }})
        end as date
    )
{%- endmacro %}
