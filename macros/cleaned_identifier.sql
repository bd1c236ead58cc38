{#
    Identifiers by which records are matched. Up to version 1 of the reading rules a request id or an
    account number kept what people and programs leave around one, such as a blank; later files come
    without. Sealed rows keep their text, so both forms must meet: ops.cleaned_identifiers has the
    texts that differ from their cleaned form, which the job looks up once per file. Where there is
    none, which is usual, the text itself is the key and nothing is joined.
#}
{% macro cleaned(name, text) -%}
    {%- if has_cleaned_identifiers() -%}
        coalesce(cleaned_{{ name }}.cleaned, {{ text }})
    {%- else -%}
        {{ text }}
    {%- endif -%}
{%- endmacro %}

{# What `cleaned` of the same name needs beside the relation that has the text. #}
{% macro join_cleaned(name, text) -%}
    {%- if has_cleaned_identifiers() -%}
        left join {{ source('ops', 'cleaned_identifiers') }} as cleaned_{{ name }}
            on {{ text }} = cleaned_{{ name }}.text
    {%- endif -%}
{%- endmacro %}
