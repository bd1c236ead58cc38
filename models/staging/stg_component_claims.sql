-- Which component claims an action: for usage from effective_from up to effective_to, as known on
-- settlement dates from known_from up to known_to (both exclusive). A claim that was added after a
-- date was sealed does not count for it. The rows come from the job, which has checked them and
-- knows from when on each counts; a row of two values has no dates of its own.
--
-- Where claims ask for attributes (macros/claims.sql), an action has several claims at a time: a
-- row has all of them as `alternatives`, first those with the most attributes, and the names of the
-- attributes that they ask for.
with catalogue_rows as (
    select * from {{ source('ops', 'catalogue_rows') }}
    where seed = 'component_actions'
),

counted as (
    select
        row[1] as action,
        row[2] as component_code,
        coalesce(try_cast(row[3] as date), date '-infinity') as effective_from,
        {%- if has_attribute_claims() %}
        coalesce(row[5], '') as attributes,
        {%- endif %}
        counts_from as known_from
    from catalogue_rows
    -- Of claims that begin to count together, the one known last counts.
    qualify
        row_number() over (
            partition by
                row[1],
                row[3],
                {%- if has_attribute_claims() %}
                row[5],
                {%- endif %}
                counts_from
            order by coalesce(row[4], '0001-01-01') desc
        ) = 1
),

{% if has_attribute_claims() -%}
known_dates as (
    select
        action,
        known_from,
        coalesce(
            lead(known_from) over (partition by action order by known_from),
            date '9999-12-31'
        ) as known_to
    from counted
    group by action, known_from
),

effective_dates as (
    select
        action,
        effective_from,
        coalesce(
            lead(effective_from) over (partition by action order by effective_from),
            date '9999-12-31'
        ) as effective_to
    from counted
    group by action, effective_from
),

-- On each of these dates, of the claims for the same attributes the one that became effective last,
-- and of those the one that became known last.
standing as (
    select
        known_dates.action,
        known_dates.known_from,
        known_dates.known_to,
        effective_dates.effective_from,
        effective_dates.effective_to,
        counted.component_code,
        string_split(nullif(counted.attributes, ''), ';') as attributes
    from known_dates
    inner join effective_dates on known_dates.action = effective_dates.action
    inner join counted
        on
            known_dates.action = counted.action
            and known_dates.known_from >= counted.known_from
            and effective_dates.effective_from >= counted.effective_from
    qualify
        row_number() over (
            partition by
                known_dates.action,
                known_dates.known_from,
                effective_dates.effective_from,
                counted.attributes
            order by counted.effective_from desc, counted.known_from desc
        ) = 1
),

component_claims as (
    select
        action,
        list(
            {
                'attributes': coalesce(attributes, []),
                'component_code': component_code
            }
            order by len(coalesce(attributes, [])) desc, attributes asc nulls last
        ) as alternatives,
        list_sort(
            list_distinct(
                list_transform(
                    flatten(list(coalesce(attributes, []))),
                    lambda pair: split_part(pair, '=', 1)
                )
            )
        ) as asked,
        effective_from,
        effective_to,
        known_from,
        known_to
    from standing
    group by action, effective_from, effective_to, known_from, known_to
)
{%- else -%}
known_dates as (
    select
        action,
        known_from,
        coalesce(
            lead(known_from) over (partition by action order by known_from),
            date '9999-12-31'
        ) as known_to
    from counted
    group by action, known_from
),

-- On each of these dates, of the claims with one effective_from, the one that became known last.
standing as (
    select
        known_dates.*,
        counted.effective_from,
        counted.component_code
    from known_dates
    inner join counted
        on
            known_dates.action = counted.action
            and known_dates.known_from >= counted.known_from
    qualify
        row_number() over (
            partition by known_dates.action, known_dates.known_from, counted.effective_from
            order by counted.known_from desc
        ) = 1
),

component_claims as (
    select
        action,
        component_code,
        effective_from,
        coalesce(
            lead(effective_from) over (
                partition by action, known_from order by effective_from
            ),
            date '9999-12-31'
        ) as effective_to,
        known_from,
        known_to
    from standing
)
{%- endif %}

select * from component_claims
