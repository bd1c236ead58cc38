{#
    A bill line's id: a hash of its key in stated text forms. Step, package and waiver are part of it
    where a line has one. The owner, the one text that comes from outside as it is, stands last, so
    that nothing in it can be taken for another field.
#}
{% macro line_id() -%}
    md5(
        concat_ws(
            '|',
            cast(settled_on as varchar),
            component_code,
            cast(usage_date as varchar),
            line_type,
            {{ price_text('list_price') }},
            coalesce({{ price_text('discount') }}, 'agreed'),
            {{ price_text('contract_price') }},
            'step ' || tier_from,
            'package ' || md5(package_id),
            'waiver ' || md5(waiver_id),
            owner_uin
        )
    )
{%- endmacro %}

{# A price as a text, with all its 8 decimals. #}
{% macro price_text(price) -%}
    cast(cast({{ price }} as decimal(18, 8)) as varchar)
{%- endmacro %}
