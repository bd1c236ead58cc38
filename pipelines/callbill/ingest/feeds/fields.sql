{# What the validation queries of several feeds read alike. #}

{#
    The instant that a text tells of, null if it tells of none: ISO 8601 with an offset, or epoch
    seconds. Texts without offset count only where `naive_timezone` says whose time they are.
#}
{% macro instant(text, naive_timezone=none) -%}
        case
            -- The two usual forms first: matching them costs half of a regular expression. A blank or
            -- a point is not in them, though the cast would read some such.
            when
                (
                    {{ text }} like '____-__-__T__:__:__+08:00'
                    or {{ text }} like '____-__-__T__:__:__Z'
                )
                and not contains({{ text }}, ' ')
                and not contains({{ text }}, '.')
                then try_cast({{ text }} as timestamptz)
            -- Extended ISO 8601 in all its variants, brought to one form.
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
            -- Epoch seconds, milliseconds from 1e11 on; decimals, so that no microsecond is lost.
            when regexp_full_match({{ text }}, '-?\d{1,15}(\.\d*)?')
                then make_timestamptz(
                    cast(
                        trunc(
                            {{ seconds(text) }}
                            * case
                                when abs({{ seconds(text) }}) >= 100000000000
                                    then 1000
                                else 1000000
                            end
                        ) as bigint
                    )
                )
            {% if naive_timezone %}
            when regexp_full_match({{ text }}, '{{ iso_naive }}')
                then timezone('{{ naive_timezone }}', try_cast({{ text }} as timestamp))
            {% endif %}
        end
{%- endmacro %}

{# Seconds with what they have of 9 decimals: further ones must not round them up. #}
{% macro seconds(text) -%}
cast(regexp_extract({{ text }}, '-?\d+(\.\d{1,9})?') as decimal(24, 9))
{%- endmacro %}

{# True for what spreadsheets make of a number that names something: 1.00E+11, 100000000000.0. #}
{% macro is_mangled_number(text) -%}
(contains({{ text }}, '.') or contains({{ text }}, '+'))
                and regexp_full_match({{ text }}, '{{ mangled_number }}')
{%- endmacro %}

{# A number at a scale that holds all its decimals, to see that none is beyond ours: what is longer,
   or finer by its exponent, is none of ours. #}
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
