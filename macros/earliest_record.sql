{# Which of a call's records of one settlement date is the earliest. Texts compare by their bytes. #}
{% macro earliest_record_first() -%}
    called_at asc,
                operate_uin asc nulls first,
                action asc nulls first,
                region asc nulls first,
                error_code asc nulls first,
                cast(http_status as varchar) asc nulls first,
                owner_uin asc,
                source_file_id asc
{%- endmacro %}

{# What a call takes over from the record that it is shown by. #}
{% macro face_columns(relation=none) -%}
    {%- for column in [
        'usage_date', 'called_at', 'owner_uin', 'operate_uin', 'component_code', 'region',
        'error_code', 'source_file_id'
    ] %}
        {{ relation ~ '.' if relation }}{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
