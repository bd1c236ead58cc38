{#
    A relation with many rows, kept as Parquet in a folder per settlement date, with a view over
    them. Only the due dates are written, under the names that a night gives them: see
    materializations.sql.
#}
{% materialization settlement_partitions, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set folder = env_var('CALLBILL_WAREHOUSE_FILES', 'data/warehouse.duckdb.files') ~ '/' ~ this.identifier -%}
    {%- set layout = "format parquet, parquet_version v2, compression zstd, compression_level 1, "
        ~ "dictionary_size_limit 10000" -%}
    {%- set window = settlement_window() -%}
    {%- set quoted = folder | replace("'", "''") -%}

    {#- There are at most as many rows as records. DuckDB's own estimate can be zero. -#}
    {%- set records, due = run_query(
        "select greatest(coalesce(sum(records_accepted), 0), 1),"
        ~ " coalesce(sum(records_accepted) filter (" ~ may_hold_due_records() ~ "), 0)"
        ~ " from " ~ source('ops', 'source_files').render() ~ " where feed = 'call_logs'"
    ).rows[0].values() -%}
    {% call statement('empty') -%}
        copy (select * from ({{ sql }}) where false)
        to '{{ quoted }}/settled_on=0001-01-01/empty.parquet' ({{ layout }})
    {%- endcall %}
    {% call statement('main') -%}
        copy ({{ sql }})
        {% if window[0] == window[1] -%}
            to '{{ quoted }}/settled_on={{ window[0] }}
            {%- if due > 1000000 -%}
                {#- A file per thread: one file alone would be read by one thread too. -#}
                ' (
                    {{ layout }}, per_thread_output true, overwrite_or_ignore true,
                    filename_pattern '{{ this.identifier }}_{i}'
                )
            {%- else -%}
                /{{ this.identifier }}.parquet' ({{ layout }})
            {%- endif %}
        {%- else -%}
            to '{{ quoted }}' (
                {{ layout }}, partition_by (settled_on), write_partition_columns true,
                overwrite_or_ignore true, filename_pattern '{{ this.identifier }}_{i}'
            )
        {%- endif %}
    {%- endcall %}
    {% call statement('view') -%}
        create or replace view {{ target_relation }} as
        select * from read_parquet(
            '{{ quoted }}/*/*.parquet',
            hive_partitioning = true, hive_types = {'settled_on': date},
            explicit_cardinality = {{ records | int }}
        )
    {%- endcall %}
    {% do persist_docs(target_relation, model) %}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
