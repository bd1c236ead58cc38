{#
    A 64-bit hash of a request id, to find ids that may occur twice without comparing texts.
    Two ids with one hash only make the careful path do a little more.
#}
{% macro request_hash(request_id) -%}
    {{ return(adapter.dispatch('request_hash', 'callbill')(request_id)) }}
{%- endmacro %}

{% macro duckdb__request_hash(request_id) -%}
    hash({{ request_id }})
{%- endmacro %}

{% macro spark__request_hash(request_id) -%}
    xxhash64({{ request_id }})
{%- endmacro %}
