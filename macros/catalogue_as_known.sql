{#
    When records without a price are rated: on the first settlement date on which a component claims
    their action and has a list price for their usage date. Calls that older rules left wait from the
    first date of the newer ones.

    `records` needs action (a claim_key), owner_key, usage_date and settled_on, and holds records that
    have no price on their own date. There is a row for each state of the catalogue that rates a record:
    the one with the smallest `rated_on` counts.
#}
{% macro rated_later(records) -%}
    {%- if has_attribute_claims() %}
    -- What claims a record as long as claim and account are what is known.
    with claimed as (
        select
            records.*,
            {{ claimed_component(attributes_of('records.action')) }} as rated_component,
            greatest(
                records.settled_on,
                component_claims.known_from,
                account_attributes.known_from,
                {{ calls_wait_from() }}
            ) as claimed_from,
            least(component_claims.known_to, account_attributes.known_to) as claimed_to
        from {{ records }} as records
        inner join {{ ref('stg_component_claims') }} as component_claims
            on
                {{ action_of('records.action') }} = component_claims.action
                and records.usage_date >= component_claims.effective_from
                and records.usage_date < component_claims.effective_to
        left join {{ ref('stg_account_attributes') }} as account_attributes
            on
                records.owner_key = account_attributes.owner_uin
                and records.usage_date >= account_attributes.effective_from
                and records.usage_date < account_attributes.effective_to
    )

    select
        claimed.* exclude (claimed_from, claimed_to),
        greatest(claimed.claimed_from, prices.known_from) as rated_on
    from claimed
    inner join {{ ref('int_first_list_prices') }} as prices
        on
            claimed.rated_component = prices.component_code
            and claimed.usage_date >= prices.rated_from
            -- All are known on one date, and that is not before calls wait.
            and greatest(claimed.claimed_from, prices.known_from)
            < least(claimed.claimed_to, prices.known_to)
    {%- else %}
    select
        records.*,
        claims.component_code as rated_component,
        greatest(
            records.settled_on, claims.known_from, prices.known_from, {{ calls_wait_from() }}
        ) as rated_on
    from {{ records }} as records
    inner join {{ ref('stg_component_claims') }} as claims
        on
            {{ action_of('records.action') }} = claims.action
            and records.usage_date >= claims.effective_from
            and records.usage_date < claims.effective_to
    inner join {{ ref('int_first_list_prices') }} as prices
        on
            claims.component_code = prices.component_code
            and records.usage_date >= prices.rated_from
            -- Both are known on one date, and that is not before calls wait.
            and greatest(
                records.settled_on, claims.known_from, prices.known_from, {{ calls_wait_from() }}
            ) < least(claims.known_to, prices.known_to)
    {%- endif %}
{%- endmacro %}

{# The first settlement date by whose rules unrated calls wait. #}
{% macro calls_wait_from() -%}
    (
        select coalesce(max(sealed.settled_on) + 1, date '0001-01-01')
        from {{ source('ops', 'sealed_settlements') }} as sealed
        where sealed.billing_rules < 2
    )
{%- endmacro %}
