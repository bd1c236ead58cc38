{#
    The order of a call's records on one settlement date. No two different records are equal in it,
    so that nothing depends on the order of files. Texts compare by their bytes. `claim_key` has the
    action with its attributes, where records may differ in these.
#}
{% macro earliest_record_first(claim_key='action') -%}
    called_at asc,
            operate_uin asc nulls first,
            {{ claim_key }} asc nulls first,
            region asc nulls first,
            error_code asc nulls first,
            cast(http_status as varchar) asc nulls first,
            owner_uin asc,
            source_file_id asc,
            request_id asc
{%- endmacro %}

{# What a call takes over from the record that it shows. #}
{% macro shown_columns(relation=none) -%}
    {%- for column in [
        'request_id', 'usage_date', 'called_at', 'owner_uin', 'operate_uin', 'action',
        'component_code', 'region', 'error_code', 'source_file_id'
    ] %}
        {{ relation ~ '.' if relation }}{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
