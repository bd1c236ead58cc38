{#
    Incremental strategy of all tables by settlement date: what is due replaces whatever an
    earlier, unpublished run left for those dates or later ones. Sealed dates are never touched.
#}
{% macro get_incremental_replace_settlement_dates_sql(arg_dict) %}
    {% set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') %}
    delete from {{ arg_dict['target_relation'] }} where settled_on >= {{ callbill.settle_from() }};
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}
