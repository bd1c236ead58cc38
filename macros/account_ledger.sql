{# What a ledger entry calls a settlement, beside its owner. #}
{% macro settlement_reference(settlements) -%}
    concat_ws(
        '/',
        cast({{ settlements }}.settled_on as varchar),
        {{ settlements }}.product_code,
        cast({{ settlements }}.bill_month as varchar)
    )
{%- endmacro %}

{# A sum over an account's entries up to the current one. #}
{% macro running_sum(amount) -%}
    sum({{ amount }}) over (partition by owner_uin order by entry_no rows unbounded preceding)
{%- endmacro %}
