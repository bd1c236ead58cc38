"""How the warehouse keeps models: writes the seeds and models of a plan, one after the other.

`dbt build` keeps them in the same way, by the macros materializations.sql and
settlement_partitions.sql, for whoever works on models.
"""

from __future__ import annotations

import duckdb

from callbill.base.errors import CallbillError
from callbill.base.machine import machine_fault_in_text
from callbill.base.sql import identifier, literal
from callbill.warehouse.dbt import one_line
from callbill.warehouse.layout import CALLS, EMPTY_DATE, EMPTY_FILE
from callbill.warehouse.plan import Model, Plan, Seed, Window
from callbill.warehouse.warehouse import Warehouse

# How calls are written. Reading them again costs less than packing them well.
_PARQUET = (
    "format parquet, parquet_version v2, compression zstd, compression_level 1,"
    " dictionary_size_limit 10000"
)
_SEED_FORMAT = (
    "format csv, header true, auto_detect false, delimiter ',', quote '\"', escape '\"',"
    " null_padding true"
)
# From so many records on, a date's calls are written by all threads, a file each. One file alone
# would be read by one thread too.
_MANY_RECORDS = 1_000_000


def write_relations(warehouse: Warehouse, plan: Plan, window: Window) -> None:
    """Write all seeds and models of a plan for these dates.

    Raises CallbillError if a model cannot be built, or has not the columns of its contract.
    """
    schemas = {relation.schema for relation in (*plan.seeds, *plan.models)}
    for schema in sorted(schemas):
        warehouse.execute(f"create schema if not exists {schema}")
    existing = set(
        warehouse.rows(
            "select schema_name, table_name from duckdb_tables()"
            " where database_name = current_database()"
        )
    )
    for seed in plan.seeds:
        _write_seed(warehouse, seed)
    for model in plan.models:
        try:
            _write_model(warehouse, model, window, exists=(model.schema, model.name) in existing)
        except duckdb.Error as error:
            sentence = f"model {model.name} was not built: {one_line(error)}"
            raise CallbillError(machine_fault_in_text(sentence) or sentence) from error


def _write_seed(warehouse: Warehouse, seed: Seed) -> None:
    columns = ", ".join(f"{identifier(name)} {seed.types[name]}" for name in seed.header)
    with warehouse.transaction():
        warehouse.execute(f"create or replace table {seed.relation} ({columns})")
        warehouse.execute(f"copy {seed.relation} from {literal(str(seed.file))} ({_SEED_FORMAT})")


def _write_model(warehouse: Warehouse, model: Model, window: Window, *, exists: bool) -> None:
    if model.kept == "settlement_partitions":
        _write_partitions(warehouse, model, window)
        return
    with warehouse.transaction():
        if model.kept == "statements":
            warehouse.execute(model.sql)
        elif model.kept == "incremental" and exists:
            _replace_dates(warehouse, model, window)
        else:
            kind = "view" if model.kept == "view" else "table"
            warehouse.execute(f"create or replace {kind} {model.relation} as\n{model.sql}")
            _check_columns(warehouse, model, model.relation)
            _comment(warehouse, model, kind)


def _replace_dates(warehouse: Warehouse, model: Model, window: Window) -> None:
    """Replace the rows of these dates and of later ones, which an unpublished run may have left.
    Rows of sealed dates are never touched. Other columns than the table's are an error."""
    _check_columns(warehouse, model, f"(\n{model.sql}\n)")
    columns = ", ".join(
        identifier(name) for name, *_ in warehouse.rows(f"describe {model.relation}")
    )
    warehouse.execute(
        f"delete from {model.relation} where settled_on >= date '{window.settle_from}'"
    )
    warehouse.execute(
        f"insert into {model.relation} by name"
        f" select {columns}, * exclude ({columns}) from (\n{model.sql}\n)"
    )


def _check_columns(warehouse: Warehouse, model: Model, source: str) -> None:
    """Raises CallbillError if the source has not the columns of the model's contract."""
    if not model.columns:
        return
    columns = [(name, type_) for name, type_, *_ in warehouse.rows(f"describe from {source}")]
    stated = [(column.name, column.type) for column in model.columns]
    for is_, should_be in zip(columns, stated, strict=False):
        if is_ != should_be:
            raise CallbillError(
                f"model {model.name} was not built: column {is_[0]} is {is_[1]}, its contract says "
                f"{should_be[0]} {should_be[1]}"
            )
    if len(columns) != len(stated):
        raise CallbillError(
            f"model {model.name} was not built: it has {len(columns)} columns, its contract "
            f"{len(stated)}"
        )


def _comment(warehouse: Warehouse, model: Model, kind: str) -> None:
    if not model.columns:
        return
    texts = [(f"{kind} {model.relation}", model.description)]
    texts += [
        (f"column {model.relation}.{identifier(column.name)}", column.description)
        for column in model.columns
    ]
    warehouse.execute(";\n".join(f"comment on {what} is {literal(text)}" for what, text in texts))


def _write_partitions(warehouse: Warehouse, model: Model, window: Window) -> None:
    """Write the calls of these dates as Parquet, in a folder per settlement date, and a view over
    all folders."""
    layout = warehouse.layout
    # DuckDB plans memory by how many rows a view may have, which it does not know of its files.
    records, due = warehouse.rows(
        """
        select
            greatest(coalesce(sum(records_accepted), 0), 1),
            coalesce(
                sum(records_accepted) filter (settlement_floor between $first - 2 and $last), 0
            )
        from ops.source_files where feed = 'call_logs'
        """,
        {"first": window.settle_from, "last": window.settle_through},
    )[0]
    empty = layout.calls_of(EMPTY_DATE) / EMPTY_FILE
    warehouse.execute(
        f"copy (select * from (\n{model.sql}\n) where false) to {literal(str(empty))} ({_PARQUET})"
    )
    if window.settle_from != window.settle_through:
        target = layout.calls
        options = (
            f"{_PARQUET}, partition_by (settled_on), write_partition_columns true,"
            f" overwrite_or_ignore true, filename_pattern '{CALLS}_{{i}}'"
        )
    elif due > _MANY_RECORDS:
        target = layout.calls_of(window.settle_from)
        options = (
            f"{_PARQUET}, per_thread_output true, overwrite_or_ignore true,"
            f" filename_pattern '{CALLS}_{{i}}'"
        )
    else:
        target = layout.calls_of(window.settle_from) / f"{CALLS}.parquet"
        options = _PARQUET
    warehouse.execute(f"copy (\n{model.sql}\n) to {literal(str(target))} ({options})")
    files = literal(str(layout.calls / "*" / "*.parquet"))
    warehouse.execute(
        f"""
        create or replace view {model.relation} as
        select * from read_parquet(
            {files}, hive_partitioning = true, hive_types = {{'settled_on': date}},
            explicit_cardinality = {int(records)}
        )
        """
    )
