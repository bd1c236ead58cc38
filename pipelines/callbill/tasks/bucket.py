"""Builds the calls of one bucket: a plain function of plain data, which can run in any process.

A bucket is the calls of one value of a hash of the request id, and every rule about calls stays
inside a bucket. So a bucket is a small warehouse of its own, in memory, with the same models. What
it gives is added to that of the other buckets (callbill.tasks.build).
"""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from callbill.base.errors import CallbillError
from callbill.base.sql import literal
from callbill.tasks.connection import connect
from callbill.warehouse.layout import CALL_STATES, CALLS, Layout
from callbill.warehouse.plan import Model, Window, from_json
from callbill.warehouse.relations import write_relations
from callbill.warehouse.warehouse import Warehouse

_RECORDS = """
    create view raw.call_logs as
    select {columns}, settlement_floor
    from read_parquet(
        {files}, hive_partitioning = true, hive_types = {{'settlement_floor': date}},
        explicit_cardinality = {records}
    )
    where source_file_id not in (select unnest({withdrawn}))
"""


def run(item: dict[str, Any]) -> dict[str, Any]:
    """Build the calls of a bucket. Of the item:

    bucket, folder  its number, and where to write; the folder is emptied before
    plan, window    the compiled models (`Plan` as JSON), the dates
    records         files of its records: path, number of records, bytes; the first is empty
    states          files of its earlier states; the first is empty
    withdrawn       ids of files that do not count
    tables          other tables that models read, as Parquet: path by name
    share           what it may use of the machine (tasks/connection.py)

    The result says how many records were there, which files were written below the folder, and
    which tables.

    Raises CallbillError if a file is not what it should be, or a model cannot be built.
    """
    folder = Path(item["folder"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    window = Window(**item["window"] | {
        name: date.fromisoformat(item["window"][name])
        for name in ("settle_from", "settle_through", "count_records_from")
    })  # fmt: skip
    plan = from_json(item["plan"])
    with closing(connect(item["share"], str(folder / "spill"))) as con:
        _check_records(con, item["records"])
        _create_sources(con, item)
        layout = Layout(folder / "bucket.duckdb")
        warehouse = Warehouse(con, layout)
        warehouse.by_date.prepare(window.settle_from, window.settle_through)
        write_relations(warehouse, plan, window)
        tables = {}
        for model in plan.models:
            if model.sums:
                target = folder / f"{model.name}.parquet"
                con.execute(
                    f"copy (from {model.relation}) to {literal(str(target))} (format parquet)"
                )
                tables[model.name] = str(target)
    return {
        "bucket": item["bucket"],
        "records": sum(records for _path, records, _size in item["records"]),
        "files": {
            model: sorted(
                path.relative_to(layout.by_date(model)).as_posix()
                for path in layout.by_date(model).glob("*/*.parquet")
            )
            for model in (CALLS, CALL_STATES)
        },
        "tables": tables,
    }


def files_of(folder: Path, model: str) -> Path:
    """Where a task leaves the files of a model that is kept by settlement date."""
    return Layout(folder / "bucket.duckdb").by_date(model)


def merged(con: duckdb.DuckDBPyConnection, model: Model, parts: list[str]) -> str:
    """SQL that adds up a model's rows of several buckets."""
    rows = f"read_parquet([{', '.join(map(literal, parts))}], hive_partitioning = false)"
    columns = [
        f"cast(sum({name}) as bigint) as {name}" if name in model.sums else name
        for name, *_ in con.execute(f"describe from {rows}").fetchall()
    ]
    return f"select {', '.join(columns)} from {rows} group by all"


def _check_records(con: duckdb.DuckDBPyConnection, files: list[tuple[str, int, int]]) -> None:
    """Raises CallbillError if a file is not there, or is another one than its reader wrote."""
    for path, _records, size in files:
        try:
            is_ = Path(path).stat().st_size
        except OSError as error:
            raise CallbillError(f"this worker does not see {path}: {error.strerror}") from error
        if size is not None and is_ != size:
            raise CallbillError(f"{path} has {is_} bytes here, its reader wrote {size}")
    names = ", ".join(literal(path) for path, *_ in files)
    seen = dict(
        con.execute(f"select file_name, num_rows from parquet_file_metadata([{names}])").fetchall()
    )
    for path, records, _size in files:
        if records is not None and seen[path] != records:
            raise CallbillError(f"{path} has {seen[path]} records here, its reader wrote {records}")


def _create_sources(con: duckdb.DuckDBPyConnection, item: dict[str, Any]) -> None:
    for schema in ("raw", "ops", "intermediate", "seeds"):
        con.execute(f"create schema {schema}")
    for name, path in item["tables"].items():
        con.execute(f"create table {name} as from read_parquet({literal(path)})")
    names = [path for path, *_ in item["records"]]
    columns = con.execute(
        f"describe from read_parquet({literal(names[0])}, hive_partitioning = false)"
    ).fetchall()
    records = sum(records for _path, records, _size in item["records"])
    con.execute(
        _RECORDS.format(
            columns=", ".join(row[0] for row in columns),
            files=f"[{', '.join(map(literal, names))}]",
            records=max(records, 1),
            withdrawn=f"[{', '.join(map(literal, item['withdrawn']))}]::varchar[]",
        )
    )
    con.execute(
        "create table ops.source_files as"
        " select 'call_logs' as feed, $records as records_accepted,"
        " $floor::date as settlement_floor",
        {"records": records, "floor": item["window"]["settle_through"]},
    )
    con.execute(
        f"create view intermediate.{CALL_STATES} as from read_parquet("
        f"[{', '.join(map(literal, item['states']))}], hive_partitioning = true,"
        " hive_types = {'settled_on': date})"
    )
