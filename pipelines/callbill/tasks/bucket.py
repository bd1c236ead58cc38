"""Builds the calls of one bucket: a plain function of plain data, which can run in any process.

A bucket is the calls of one value of a hash of the request id, and every rule about calls stays
inside a bucket. So a bucket is a small warehouse of its own, in memory, with the same models. What
it gives is added to that of the other buckets (callbill.tasks.build).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from callbill.base.errors import CallbillError
from callbill.base.machine import machine_fault_in_text
from callbill.base.sql import literal
from callbill.quality.due import EARLIER_RECORDS
from callbill.release.hashes import call_groups_sql, columns_of_calls
from callbill.tasks.connection import connect
from callbill.tasks.exchange import Workplace, workplace
from callbill.warehouse.by_date import name_in_bucket
from callbill.warehouse.dbt import one_line
from callbill.warehouse.layout import CALL_STATES, CALLS, WITH_ATTRIBUTES, Layout
from callbill.warehouse.plan import Model, Window, from_json
from callbill.warehouse.relations import write_relations
from callbill.warehouse.warehouse import Warehouse

# The table of groups of calls, which content hashes are made of.
CALL_GROUPS = "call_groups"

_RECORDS = """
    create view raw.call_logs as
    select {columns}, settlement_floor
    from read_parquet(
        {files}, hive_partitioning = true, hive_types = {{'settlement_floor': date}},
        explicit_cardinality = {records}, union_by_name = {has_older}
    )
    where source_file_id not in (select unnest({withdrawn}))
"""


def run(item: dict[str, Any]) -> dict[str, Any]:
    """Build the calls of a bucket. Of the item:

    bucket          its number
    root            where files lie; names are relative to it
    folder          the folder for what it writes
    plan, window    the compiled models (`Plan` as JSON), the dates
    records         files of its records: name, number of records, bytes; the first is empty
    sizes           of other files that it is given, the bytes
    states          files of its earlier states; the first is empty
    withdrawn       ids of files that do not count
    tables          other tables that models and controls read, as Parquet: file by name
    calls           the SQL of the mart of calls
    earlier_calls   files of its calls of earlier dates, by date
    shared_tables   the tables that controls share, and the queries of those that look at each call
    controls        by itself, by name (quality/due.py)
    share           what it may use of the machine (tasks/connection.py)

    The result says how many records were there, which files were written (`Handed`), and the files
    of tables by name: the models that are added up, CALL_GROUPS, and the rows that each control
    found.

    Raises CallbillError if a file is not what it should be, or a model cannot be built.
    """
    window = Window(**item["window"] | {
        name: date.fromisoformat(item["window"][name])
        for name in ("settle_from", "settle_through", "count_records_from")
    })  # fmt: skip
    plan = from_json(item["plan"])
    with workplace(item["root"], f"{item['folder']}/{item['bucket']:04d}") as place:
        layout = Layout(place.folder / "bucket.duckdb")
        with closing(connect(item["share"], str(place.folder / "spill"))) as con:
            names = [name for name, *_ in item["records"]]
            paths = place.at_hand(
                [*names, *item["states"], *item["tables"].values()], item["sizes"]
            )
            records = [(paths[name], count, size) for name, count, size in item["records"]]
            _check_records(con, records)
            _create_sources(con, item, [path for path, *_ in records], paths)
            warehouse = Warehouse(con, layout)
            warehouse.by_date.prepare(window.settle_from, window.settle_through)
            write_relations(warehouse, plan, window)
            written = _written(layout, item["bucket"], place.token)
            tables = {}
            for name, query in {
                **{model.name: f"from {model.relation}" for model in plan.models if model.sums},
                **_checks(con, item, window, place, layout, paths),
            }.items():
                path = place.folder / f"{name}.parquet"
                _copy(con, name, query, path)
                tables[name] = f"{item['folder']}/{place.token}/{path.name}"
                written[path] = tables[name]
        return {
            "bucket": item["bucket"],
            "records": sum(count for _path, count, _size in records),
            "handed": place.hand_over(written),
            "tables": tables,
        }


def _checks(
    con: duckdb.DuckDBPyConnection,
    item: dict[str, Any],
    window: Window,
    place: Workplace,
    layout: Layout,
    paths: dict[str, Path],
) -> dict[str, str]:
    """The queries of the groups of calls and of the controls, by name, which read what was built
    and the calls and states of earlier dates."""

    def create_view(model: str, earlier: Iterable[Path]) -> None:
        files = [*earlier, *sorted(layout.by_date(model).glob("*/*.parquet"))]
        con.execute(
            f"create or replace view intermediate.{model} as from read_parquet("
            f"[{', '.join(literal(str(path)) for path in files)}],"
            " hive_partitioning = true, hive_types = {'settled_on': date})"
        )

    create_view(CALL_STATES, (paths[name] for name in item["states"]))
    con.execute("attach ':memory:' as checks")
    for sql in item["shared_tables"].values():
        con.execute(sql)
    # Of the calls of earlier dates only those are fetched that a due call may have to do with.
    dates = con.execute(f"select distinct settled_on from {EARLIER_RECORDS}").fetchall()
    names = [name for (day,) in dates for name in item["earlier_calls"].get(str(day), ())]
    create_view(CALLS, place.at_hand(names, item["sizes"]).values())
    con.execute("create schema billing")
    con.execute(f"create view billing.calls as {item['calls']}")
    due = (
        "(from billing.calls where settled_on between"
        f" date '{window.settle_from}' and date '{window.settle_through}')"
    )
    return {CALL_GROUPS: call_groups_sql(columns_of_calls(con), due), **item["controls"]}


def _copy(con: duckdb.DuckDBPyConnection, name: str, query: str, path: Path) -> None:
    """Raises CallbillError if the query fails."""
    try:
        con.execute(
            f"copy (\n{query.rstrip().rstrip(';')}\n) to {literal(str(path))} (format parquet)"
        )
    except duckdb.Error as error:
        sentence = f"{name} was not evaluated: {one_line(error)}"
        raise CallbillError(machine_fault_in_text(sentence) or sentence) from error


def _written(layout: Layout, bucket: int, token: str) -> dict[Path, str]:
    """The files of the models that are kept by settlement date, with the names that they get in the
    warehouse. Each bucket writes the same empty file: that of the first is good for all."""
    return {
        path: name_in_bucket(model, path, bucket, token)
        for model in (CALLS, CALL_STATES)
        for path in sorted(layout.by_date(model).glob("*/*.parquet"))
        if path != layout.empty(model) or bucket == 0
    }


def merged(con: duckdb.DuckDBPyConnection, model: Model, parts: list[str]) -> str:
    """SQL that adds up a model's rows of several buckets."""
    rows = f"read_parquet([{', '.join(map(literal, parts))}], hive_partitioning = false)"
    columns = [
        f"cast(sum({name}) as bigint) as {name}" if name in model.sums else name
        for name, *_ in con.execute(f"describe from {rows}").fetchall()
    ]
    return f"select {', '.join(columns)} from {rows} group by all"


def _check_records(
    con: duckdb.DuckDBPyConnection, files: list[tuple[Path, int | None, int | None]]
) -> None:
    """Raises CallbillError if a file is another one than its reader wrote."""
    for path, _records, size in files:
        is_ = path.stat().st_size
        if size is not None and is_ != size:
            raise CallbillError(f"{path} has {is_} bytes here, its reader wrote {size}")
    names = ", ".join(literal(str(path)) for path, *_ in files)
    seen = dict(
        con.execute(f"select file_name, num_rows from parquet_file_metadata([{names}])").fetchall()
    )
    for path, records, _size in files:
        if records is not None and seen[str(path)] != records:
            raise CallbillError(
                f"{path} has {seen[str(path)]} records here, its reader wrote {records}"
            )


def _create_sources(
    con: duckdb.DuckDBPyConnection,
    item: dict[str, Any],
    files: list[Path],
    paths: dict[str, Path],
) -> None:
    for schema in ("raw", "ops", "intermediate", "seeds"):
        con.execute(f"create schema {schema}")
    for name, file in item["tables"].items():
        con.execute(f"create table {name} as from read_parquet({literal(str(paths[file]))})")
    names = [str(path) for path in files]
    columns = con.execute(
        f"describe from read_parquet({literal(names[0])}, hive_partitioning = false)"
    ).fetchall()
    records = sum(records for _path, records, _size in item["records"])
    con.execute(
        _RECORDS.format(
            columns=", ".join(row[0] for row in columns),
            files=f"[{', '.join(map(literal, names))}]",
            records=max(records, 1),
            has_older=any(not path.name.startswith(WITH_ATTRIBUTES) for path in files),
            withdrawn=f"[{', '.join(map(literal, item['withdrawn']))}]::varchar[]",
        )
    )
    con.execute(
        "create table ops.source_files as"
        " select 'call_logs' as feed, $records as records_accepted,"
        " $floor::date as settlement_floor",
        {"records": records, "floor": item["window"]["settle_through"]},
    )
    states = ", ".join(literal(str(paths[name])) for name in item["states"])
    con.execute(
        f"create view intermediate.{CALL_STATES} as from read_parquet("
        f"[{states}], hive_partitioning = true, hive_types = {{'settled_on': date}})"
    )
