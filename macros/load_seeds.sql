{#
    Seeds as they lie in the project at hand. dbt-duckdb looks for them where the project lay when its
    files were last parsed, which a warehouse outlives: callbill may since have moved. A row may leave
    out columns at its end.
#}
{% macro duckdb__load_csv_rows(model, agate_table) %}
    {%- set statement -%}
        copy {{ this.render() }} from '{{ agate_table.original_abspath | replace("'", "''") }}'
        (
            format csv, header true, auto_detect false, delimiter ',', quote '"', escape '"',
            null_padding true
        )
    {%- endset -%}
    {% do adapter.add_query(statement, abridge_sql_log=True) %}
    {{ return(statement) }}
{% endmacro %}
