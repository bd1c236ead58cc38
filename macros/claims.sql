{#
    Which component claims a record. A claim is for an action and, if it says so, for records with
    certain attributes. Of the claims whose attributes all fit, the one with the most counts; that
    there are no two of these is checked when a command starts.

    What claims look at is one text, the `claim_key`: the action and, if the record has any, its
    attributes behind a character that no action has. What one of a call's records is compared with
    is kept with it from night to night.

    Attributes cost nothing where no claim asks for them: then a claim is joined by the action alone.
#}
{% macro claim_key(action, attributes) -%}
    case
            when {{ attributes }} is null then {{ action }}
            else {{ action }} || chr(31) || {{ attributes }}
        end
{%- endmacro %}

{% macro action_of(claim_key) -%}
    split_part({{ claim_key }}, chr(31), 1)
{%- endmacro %}

{% macro attributes_of(claim_key) -%}
    split_part({{ claim_key }}, chr(31), 2)
{%- endmacro %}

{#
    Joins `component_claims` by what is in force for a usage date as known on a settlement date, and
    where claims ask for attributes also `account_attributes`, for the account `owner`. The model
    needs both as CTEs (`claims_ctes`). `claimed_component` then has the component.
#}
{% macro join_claims(action, owner, usage_date, known_on) -%}
    left join component_claims
            on
                {{ action }} = component_claims.action
                and {{ usage_date }} >= component_claims.effective_from
                and {{ usage_date }} < component_claims.effective_to
                and {{ known_on }} >= component_claims.known_from
                and {{ known_on }} < component_claims.known_to
    {%- if has_attribute_claims() %}
        left join account_attributes
            on
                {{ owner }} = account_attributes.owner_uin
                and {{ usage_date }} >= account_attributes.effective_from
                and {{ usage_date }} < account_attributes.effective_to
                and {{ known_on }} >= account_attributes.known_from
                and {{ known_on }} < account_attributes.known_to
    {%- endif %}
{%- endmacro %}

{# The CTEs that `join_claims` needs. #}
{% macro claims_ctes() -%}
    component_claims as (
        select * from {{ ref('stg_component_claims') }}
    ),
    {%- if has_attribute_claims() %}

    account_attributes as (
        select * from {{ ref('stg_account_attributes') }}
    ),
    {%- endif %}
{%- endmacro %}

{# The component of the claim that counts for a record with these attributes, null without one. #}
{% macro claimed_component(attributes) -%}
    {%- if has_attribute_claims() -%}
        list_filter(
            component_claims.alternatives,
            lambda claim: list_has_all({{ resolved_attributes(attributes) }}, claim['attributes'])
        )[1].component_code
    {%- else -%}
        component_claims.component_code
    {%- endif -%}
{%- endmacro %}

{# The attributes of a record as a list of NAME=VALUE: its own, and those of its account that it
   does not say itself. #}
{% macro resolved_attributes(attributes) -%}
    list_concat(
            string_split(coalesce({{ attributes }}, ''), ';'),
            list_filter(
                account_attributes.attributes,
                lambda pair: not contains(
                    ';' || coalesce({{ attributes }}, ''),
                    ';' || split_part(pair, '=', 1) || '='
                )
            )
        )
{%- endmacro %}

{# The attributes that claims of the record's action ask for, with its values; null if they ask for
   none. It tells an operator which claim is missing. #}
{% macro asked_attributes(attributes) -%}
    {%- if has_attribute_claims() -%}
        array_to_string(
            list_transform(
                component_claims.asked,
                lambda asked: coalesce(
                    list_filter(
                        {{ resolved_attributes(attributes) }},
                        lambda pair: starts_with(pair, asked || '=')
                    )[1],
                    asked || '='
                )
            ),
            ';'
        )
    {%- else -%}
        cast(null as varchar)
    {%- endif -%}
{%- endmacro %}
