{# Macros for texts that the judge.sql of several feeds reads in the same way. #}

{#
    The instant that a text stands for, null if it is not valid: ISO 8601 with an offset, or epoch
    seconds. A text without an offset is valid only with `naive_timezone`, the zone to read it in.
    Since version 2 of the reading rules epoch times may be in smaller units, and a comma may stand
    before the fraction of a time without an offset.
#}
{% macro instant(text, naive_timezone=none) -%}
        case
            -- The two usual forms first: matching them costs half of a regular expression. They have
            -- no blank and no point, although the cast would accept some texts with them.
            when
                (
                    {{ text }} like '____-__-__T__:__:__+08:00'
                    or {{ text }} like '____-__-__T__:__:__Z'
                )
                and not contains({{ text }}, ' ')
                and not contains({{ text }}, '.')
                then try_cast({{ text }} as timestamptz)
            -- All variants of extended ISO 8601, converted to one form.
            when regexp_full_match({{ text }}, '{{ iso_extended }}')
                then try_cast(
                    regexp_replace(
                        regexp_extract({{ text }}, '{{ iso_extended }}', 1), '[Tt]', ' '
                    )
                    || coalesce(
                        nullif(regexp_extract({{ text }}, '{{ iso_extended }}', 2), ''), ':00'
                    )
                    || coalesce(
                        '.' || nullif(regexp_extract({{ text }}, '{{ iso_extended }}', 3), ''), ''
                    )
                    || replace(
                        upper(regexp_extract({{ text }}, '{{ iso_extended }}', 4)), 'Z', '+00'
                    )
                    as timestamptz
                )
            -- Basic ISO 8601, without separators.
            when regexp_full_match({{ text }}, '{{ iso_basic }}')
                then try_cast(
                    regexp_replace(
                        replace(upper({{ text }}), 'Z', '+00'),
                        '^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)?',
                        '\1-\2-\3 \4:\5:\6'
                    ) as timestamptz
                )
            -- Epoch seconds, milliseconds from 1e11 on, microseconds from 1e14, nanoseconds from 1e17.
            -- They are decimals, so that no microsecond is lost.
            when regexp_full_match({{ text }}, '-?\d{1,{{ 19 if reading_rules >= 2 else 15 }}}(\.\d*)?')
                then make_timestamptz(
                    cast(
                        trunc(
                            {{ seconds(text) }}
                            * case
                                {% if reading_rules >= 2 %}
                                when abs({{ seconds(text) }}) >= 100000000000000000
                                    then 0.001
                                when abs({{ seconds(text) }}) >= 100000000000000
                                    then 1
                                {% endif %}
                                when abs({{ seconds(text) }}) >= 100000000000
                                    then 1000
                                else 1000000
                            end
                        ) as bigint
                    )
                )
            {% if naive_timezone %}
            when regexp_full_match({{ text }}, '{{ iso_naive }}')
                then timezone(
                    '{{ naive_timezone }}',
                    {% if reading_rules >= 2 %}
                    try_cast(replace({{ text }}, ',', '.') as timestamp)
                    {% else %}
                    try_cast({{ text }} as timestamp)
                    {% endif %}
                )
            {% endif %}
        end
{%- endmacro %}

{# Seconds with at most 9 decimals. Further decimals are cut off, so that they cannot round up. #}
{% macro seconds(text) -%}
cast(regexp_extract({{ text }}, '-?\d+(\.\d{1,9})?') as decimal({{ 28 if reading_rules >= 2 else 24 }}, 9))
{%- endmacro %}

{# Whether a spreadsheet has changed an id that looks like a number: 1.00E+11, 100000000000.0. Since
   version 2 of the reading rules identifiers.sql finds these. #}
{% macro is_mangled_number(text) -%}
{% if reading_rules >= 2 -%}
false
{%- else -%}
(contains({{ text }}, '.') or contains({{ text }}, '+'))
                and regexp_full_match({{ text }}, '{{ mangled_number }}')
{%- endif %}
{%- endmacro %}

{# A number with 22 decimals, to check that no digit is beyond the scale of the column. It is null
   for a text that is not a number, or has more digits or decimals than that. #}
{% macro exact_number(text) -%}
case
            when
                strlen({{ text }}) <= 24
                and regexp_full_match({{ text }}, '{{ number }}')
                and strlen(regexp_extract({{ text }}, '\.(\d*)', 1)) <= 22
                + case
                    when regexp_matches({{ text }}, '[eE]')
                        then try_cast(regexp_extract({{ text }}, '[eE](.*)$', 1) as integer)
                    else 0
                end
                then try_cast({{ text }} as decimal(38, 22))
        end
{%- endmacro %}

{# A date without a time of day, which would need a time zone. #}
{% macro plain_date(text) -%}
case
            when regexp_full_match({{ text }}, '\d{4}-\d{2}-\d{2}( 00:00:00)?')
                then try_cast(left({{ text }}, 10) as date)
        end
{%- endmacro %}
