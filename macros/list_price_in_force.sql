{#
    The list price of each usage date as known on a date: of those known then, the one that began last.
    `usage` needs owner_uin, component_code, usage_date and known_on. Without a list price there is no
    row.
#}
{% macro list_prices_in_force(usage, list_prices_known) -%}
    select
        used.owner_uin,
        used.component_code,
        used.usage_date,
        used.known_on,
        list_prices.list_price,
        list_prices.tier_period,
        list_prices.steps
    from {{ usage }} as used
    inner join {{ list_prices_known }} as list_prices
        on
            used.component_code = list_prices.component_code
            and used.usage_date >= list_prices.effective_from
            and used.known_on >= list_prices.known_from
            and used.known_on < list_prices.known_to
    qualify
        list_prices.effective_from = max(list_prices.effective_from) over (
            partition by used.owner_uin, used.component_code, used.usage_date, used.known_on
        )
{%- endmacro %}
