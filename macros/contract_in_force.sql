{#
    Which contract prices usage. `int_prices` asks for all due lines, whoever explains one line asks for
    that one: both hand over a relation `usage` of owner_uin, component_code, usage_date, the date
    known_on as of which they ask, and the list_price in force.
#}

{#
    Versions of contracts, with the settlement dates from known_from up to known_to (exclusive) on which
    each is the one known. Rows of one owner, component and effective_from are versions of one contract:
    the latest known counts: within a file the last line, within a settlement floor the later arrival.
    Several files of one arrival may each have a version: contracts_in_force chooses. A version that says
    what the one before it said is no news, and left out.
#}
{% macro contracts_known(contracts) -%}
    with last_lines as (
        select *
        from {{ contracts }}
        -- Lines of a file that were read again became known later.
        qualify
            line_number = max(line_number) over (
                partition by
                    source_file_id,
                    settlement_floor,
                    arrived_on,
                    owner_uin,
                    component_code,
                    effective_from
            )
    ),

    last_arrivals as (
        select *
        from last_lines
        qualify
            arrived_on is not distinct from max(arrived_on) over (
                partition by owner_uin, component_code, effective_from, settlement_floor
            )
    ),

    -- The terms of a floor as one text, if its files agree on them.
    with_terms as (
        select
            *,
            case
                when
                    count(distinct row(effective_to, discount, contract_price)) over of_floor = 1
                    then cast(row(effective_to, discount, contract_price) as varchar)
            end as terms
        from last_arrivals
        window
            of_floor as (
                partition by owner_uin, component_code, effective_from, settlement_floor
            )
    ),

    news as (
        select *
        from with_terms
        qualify
            terms is null
            or terms is distinct from first_value(terms) over (
                partition by owner_uin, component_code, effective_from
                order by settlement_floor
                groups between 1 preceding and 1 preceding
            )
    )

    select
        owner_uin,
        component_code,
        effective_from,
        coalesce(effective_to, date '9999-12-31') as effective_to,
        discount,
        contract_price,
        source_file_id,
        line_number,
        settlement_floor as known_from,
        coalesce(
            min(settlement_floor) over (
                partition by owner_uin, component_code, effective_from
                order by settlement_floor
                groups between 1 following and 1 following
            ),
            date '9999-12-31'
        ) as known_to
    from news
{%- endmacro %}

{# The contract that covers each usage date and began last, if there is one, with its price. #}
{% macro contracts_in_force(usage, contracts_known) -%}
    with versions as (
        select
            used.owner_uin,
            used.component_code,
            used.usage_date,
            used.known_on,
            contracts.effective_from,
            contracts.effective_to,
            contracts.known_from,
            contracts.discount,
            contracts.source_file_id,
            contracts.line_number,
            coalesce(
                contracts.contract_price,
                {{ discounted_price('used.list_price', 'contracts.discount') }}
            ) as contract_price
        from {{ usage }} as used
        inner join {{ contracts_known }} as contracts
            on
                used.owner_uin = contracts.owner_uin
                and used.component_code = contracts.component_code
                and used.usage_date >= contracts.effective_from
                and used.known_on >= contracts.known_from
                and used.known_on < contracts.known_to
    ),

    -- Of versions that became known on one day the lowest price counts, then the earliest end.
    latest_versions as (
        select *
        from versions
        qualify
            row_number() over (
                partition by owner_uin, component_code, usage_date, known_on, effective_from
                order by contract_price, effective_to, discount nulls last, source_file_id
            ) = 1
    )

    select *
    from latest_versions
    -- A contract that has ended, or was withdrawn (it ends where it begins), covers nothing.
    where usage_date < effective_to
    qualify
        effective_from = max(effective_from) over (
            partition by owner_uin, component_code, usage_date, known_on
        )
{%- endmacro %}
