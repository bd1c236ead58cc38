{#
    What follows from bill lines and settlements: precision adjustments and monthly bills. The marts
    hold them as known today; the SQL macros that `create_known_on_macros` leaves beside the marts
    give them, and their lines and settlements, as they stood on a date:

        from billing.monthly_bills_known_on(date '2026-09-15')

    What is settled never changes, so what was known on a date is what was settled by then.
#}

{# 月度计费精度差异: by how much the deductions of a month differ from what was rated. #}
{% macro precision_adjustments_of(settlements, known_on) -%}
    with summed as (
        select
            bill_month,
            owner_uin,
            sum(rated_amount) as rated_amount,
            sum(deducted_amount) as deducted_amount
        from {{ settlements }}
        group by bill_month, owner_uin
    )

    select
        bill_month,
        owner_uin,
        cast(rated_amount as decimal(38, 8)) as rated_amount,
        cast(deducted_amount as decimal(18, 2)) as deducted_amount,
        cast(deducted_amount - rated_amount as decimal(38, 8)) as adjustment_amount,
        -- A month is closed by the settlement of the 1st of the next.
        {{ known_on }} >= bill_month + interval 1 month as is_final
    from summed
{%- endmacro %}

{# A month's bill of an account and product: from list cost by discount to what was deducted. #}
{% macro monthly_bills_of(bill_lines, settlements) -%}
    with used as (
        select
            bill_month,
            owner_uin,
            product_code,
            sum(calls) as calls,
            sum(list_cost) as list_cost,
            sum(real_cost) as rated_amount
        from {{ bill_lines }}
        group by bill_month, owner_uin, product_code
    ),

    deducted as (
        select
            bill_month,
            owner_uin,
            product_code,
            sum(deducted_amount) as deducted_amount
        from {{ settlements }}
        group by bill_month, owner_uin, product_code
    )

    select
        used.bill_month,
        used.owner_uin,
        used.product_code,
        cast(used.calls as bigint) as calls,
        cast(used.list_cost as decimal(38, 8)) as list_cost,
        cast(used.list_cost - used.rated_amount as decimal(38, 8)) as discount_amount,
        cast(used.rated_amount as decimal(38, 8)) as rated_amount,
        cast(deducted.deducted_amount - used.rated_amount as decimal(38, 8)) as adjustment_amount,
        cast(deducted.deducted_amount as decimal(18, 2)) as deducted_amount
    from used
    inner join deducted
        on
            used.bill_month = deducted.bill_month
            and used.owner_uin = deducted.owner_uin
            and used.product_code = deducted.product_code
{%- endmacro %}

{% macro create_known_on_macros() -%}
    {%- set lines = '(select * from billing.bill_lines where settled_on <= known_on)' -%}
    {%- set settlements = '(select * from billing.settlements where settled_on <= known_on)' -%}
    create or replace macro billing.bill_lines_known_on(known_on) as table
    select * from {{ lines }};
    create or replace macro billing.settlements_known_on(known_on) as table
    select * from {{ settlements }};
    create or replace macro billing.precision_adjustments_known_on(known_on) as table
    {{ precision_adjustments_of(settlements, 'known_on') }};
    create or replace macro billing.monthly_bills_known_on(known_on) as table
    {{ monthly_bills_of(lines, settlements) }};
    {%- for name, about in {
        'bill_lines_known_on': 'Bill lines as they stood on a date: those settled by then.',
        'settlements_known_on': 'Settlements as they stood on a date.',
        'precision_adjustments_known_on': 'Precision adjustments as they stood on a date.',
        'monthly_bills_known_on': 'Monthly bills as they stood on a date.',
    }.items() %}
    comment on macro table billing.{{ name }} is '{{ about }} known_on: the date, inclusive';
    {%- endfor %}
{%- endmacro %}
