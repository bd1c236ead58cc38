-- noqa: disable=LT02
-- Macros alone, called from Python: to the linter they come to blanks.
{#
    Identifiers: request ids, account numbers, event ids, codes of components, actions and events.
    Macros for version 2 of the reading rules, the same for every feed and format. A feed names its
    identifiers, each with a kind, in feed.yml:

    request  a request id. A spreadsheet turns one that looks like a number into 1.78823E+15
    number   an account number or event id, which no program should write as 1.0E+11 or -1
    code     the code of a component, an action or an event
#}
{# Format characters, which are not seen: zero-width characters, marks of direction, the BOM. #}
{% set unseen = '\\x{ad}\\x{61c}\\x{180e}\\x{200b}-\\x{200f}\\x{202a}-\\x{202e}'
    ~ '\\x{2060}-\\x{206f}\\x{feff}' %}
{# All that is taken off around an identifier, but for the signs of a spreadsheet. #}
{% set blanks = '\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}'
    ~ '\\x{205f}\\x{3000}' ~ unseen %}
{# No identifier contains one: control characters, line ends, characters that are not seen. #}
{% set controls = '\\x00-\\x1f\\x7f-\\x9f\\x{2028}\\x{2029}' ~ unseen %}
{# Words that stand for "no value". #}
{% set words_for_nothing = ['-', 'null', 'nil', 'none', 'undefined', 'nan'] %}
{% set any_number = '[+-]?[0-9]*[.,]?[0-9]*([eE][+-]?[0-9]+)?' %}

{% set zero = '[+-]?(0[xX]0+|(0+[.,]?0*|[.,]0+)([eE][+-]?[0-9]+)?)' %}

{# A pattern with what may be left around it. #}
{% macro around(pattern) -%}
[{{ blanks }}'']*({{ pattern }}|="[{{ blanks }}'']*{{ pattern }}[{{ blanks }}]*")[{{ blanks }}]*
{%- endmacro %}

{#
    An identifier without what people and programs leave around it: blanks of any kind, a
    spreadsheet's apostrophe or ="…". Null if nothing is left.
#}
{% macro stripped(text) -%}
        nullif(
            regexp_extract(
                regexp_replace(
                    {{ text }},
                    '(?s)^[{{ blanks }}'']*="[{{ blanks }}'']*(.*?)[{{ blanks }}]*"[{{ blanks }}]*$',
                    '\1'
                ),
                '(?s)^[{{ blanks }}'']*(.*?)[{{ blanks }}]*$',
                1
            ),
            ''
        )
{%- endmacro %}

{# Whether a stripped text stands for "no value". A list: `in` is carried out as a join, for every
   row, although few rows come to it. #}
{% macro is_placeholder(text) -%}
        list_contains(['{{ words_for_nothing | join("', '") }}', 'n/a', '\n'], lower({{ text }}))
{%- endmacro %}

{# Whether a stripped text cannot be an identifier of its kind. #}
{% macro is_invalid(text, kind) -%}
        (
            regexp_matches({{ text }}, '[{{ controls }}]')
            {% if kind == 'number' %}
            or (
                regexp_full_match({{ text }}, '{{ any_number }}')
                and not regexp_full_match({{ text }}, '[0-9]+|[eE].*')
            )
            {% elif kind == 'request' %}
            -- The numbers of hexadecimal ids have no sign: 1e11 is one, 1E+11 is none.
            or regexp_full_match({{ text }}, '[+-]?[0-9]([.,][0-9]+)?[eE]\+[0-9]+|[0-9]+\.0+')
            {% endif %}
        )
{%- endmacro %}

{# Whether a text is of usual letters, so that no rule changes or rejects it. No placeholder is as
   long as 10 letters. A request id's are not matched with a pattern, which takes twice as long:
   written as JSON, a text with a control character, a quote or a backslash is longer. #}
{% macro is_usual(text, kind) -%}
        {% if kind == 'number' -%}
        regexp_full_match({{ text }}, '[0-9]+')
        {%- elif kind == 'request' -%}
        (
            strlen({{ text }}) >= 10
            and strlen({{ text }}) = length({{ text }})
            and strlen(to_json({{ text }})) = strlen({{ text }}) + 2
            {% for letter in [' ', "''", '+', '.', '[', '{'] %}
            and not contains({{ text }}, '{{ letter }}')
            {% endfor %}
            and not contains({{ text }}, chr(127))
        )
        {%- else -%}
        regexp_full_match({{ text }}, '[0-9A-Za-z_-]{10,}')
        {%- endif %}
{%- endmacro %}

{# Whether a text is an identifier as it is. #}
{% macro is_plain(text, kind) -%}
        case
            when {{ is_usual(text, kind) }} then true
            else coalesce(
                {{ text }} = {{ stripped(text) }}
                and not {{ is_placeholder(text) }}
                and not {{ is_invalid(text, kind) }},
                false
            )
        end
{%- endmacro %}

{#
    An error code, null if it says that there was no error: blank, NaN, or zero in any number's
    spelling. `no_error_codes` are further texts of a shape that say so.
#}
{% macro error_code(text, no_error_codes) -%}
        case
            when {{ text }} is null then null
            when regexp_full_match({{ text }}, '{{ around('([+-]?[nN][aA][nN]|' ~ zero ~ ')?') }}') then null
            {% for code in no_error_codes %}
            when {{ stripped(text) }} = '{{ code | replace("'", "''") }}' then null
            {% endfor %}
            when regexp_full_match({{ text }}, '[0-9A-Za-z_.-]+') then {{ text }}
            else {{ stripped(text) }}
        end
{%- endmacro %}

{# Whether a text that is not blank says that there was no error. #}
{% macro is_zero(text, no_error_codes) -%}
        coalesce(
            regexp_full_match({{ text }}, '{{ around(zero) }}')
            {% for code in no_error_codes %}
            or {{ stripped(text) }} = '{{ code | replace("'", "''") }}'
            {% endfor %},
            false
        )
{%- endmacro %}

{#
    The texts of records with identifiers as they count. `cleaned` lists the fields of which something
    was taken off, `odd_field` also names an identifier that is invalid, and `fields` keeps the
    texts as they were. Of the identifiers `absent_if_invalid` an invalid one is taken off as a whole. Each step is materialized: otherwise its expressions would be computed again
    wherever a later one names a column.
#}
{% macro cleaned_texts(texts, identifiers, absent_if_invalid, kept_fields) -%}
with read_texts as (
    {{ texts }}
),

stripped_texts as materialized (
    select
        *,
        {% for field, kind in identifiers.items() %}
        case
            when {{ is_usual(field, kind) }} then {{ field }}
            else {{ stripped(field) }}
        end as stripped_{{ field }},
        {% endfor %}
        {{ kept_fields }} as fields
    from read_texts
),

cleaned_texts as materialized (
    select
        * exclude (
            {% for field in identifiers %}
            stripped_{{ field }},
            {% endfor %}
            odd_field
        )
        replace (
            {% for field, kind in identifiers.items() %}
            case
                {% if field in absent_if_invalid %}
                when {{ is_invalid('stripped_' ~ field, kind) }} then null
                {% endif %}
                when not {{ is_placeholder('stripped_' ~ field) }} then stripped_{{ field }}
            end as {{ field }}{{ '' if loop.last else ',' }}
            {% endfor %}
        ),
        case
            when odd_field is not null then odd_field
            {% for field, kind in identifiers.items() if field not in absent_if_invalid %}
            when
                stripped_{{ field }} is not null
                and not {{ is_placeholder('stripped_' ~ field) }}
                and {{ is_invalid('stripped_' ~ field, kind) }}
                then '{{ field }}'
            {% endfor %}
        end as odd_field,
        list_filter(
            [
                {% for field, kind in identifiers.items() %}
                case
                    {% if field in absent_if_invalid %}
                    when
                        not {{ is_placeholder('stripped_' ~ field) }}
                        and {{ is_invalid('stripped_' ~ field, kind) }}
                        then '{{ field }}'
                    {% endif %}
                    when
                        stripped_{{ field }} <> {{ field }}
                        and not {{ is_placeholder('stripped_' ~ field) }}
                        then '{{ field }}'
                end{{ '' if loop.last else ',' }}
                {% endfor %}
            ],
            lambda field: field is not null
        ) as cleaned
    from stripped_texts
)

select * from cleaned_texts
{%- endmacro %}
