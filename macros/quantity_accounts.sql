{#
    Keeps rows for the lines that depend on their own calls only: those of other accounts are in
    int_quantity_lines. A condition to put behind others.
#}
{% macro and_not_counted(rows) -%}
    {%- set accounts = ref('int_quantity_accounts') -%}
    {%- if has_quantity_prices() -%}
    and not exists (
        select 1
        from {{ accounts }} as counted
        where
            counted.owner_uin = {{ rows }}.owner_uin
            and counted.component_code = {{ rows }}.component_code
            and counted.counted_from <= {{ rows }}.settled_on
    )
    {%- endif -%}
{%- endmacro %}
