{#
    A 64-bit hash of a request id: ids that may occur twice are found without comparing texts. Two
    ids with one hash are still told apart, at the cost of a second look.
#}
{% macro request_hash(request_id) -%}
    hash({{ request_id }})
{%- endmacro %}
