{#
    A bill line's id: a hash of its key in stated text forms. The owner, the one text that comes
    from outside, stands last, so that nothing in it can be taken for another field.
#}
{% macro line_id() -%}
    md5(
        concat_ws(
            '|',
            cast(settled_on as varchar),
            component_code,
            cast(usage_date as varchar),
            line_type,
            cast(cast(list_price as decimal(18, 8)) as varchar),
            coalesce(cast(cast(discount as decimal(18, 8)) as varchar), 'agreed'),
            cast(cast(contract_price as decimal(18, 8)) as varchar),
            owner_uin
        )
    )
{%- endmacro %}
