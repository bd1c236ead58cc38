"""Single files, read by the reader alone and by `verify`, without a run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import duckdb
import polars as pl
import pytest
from callbill.ingest.read_task import FileToRead, ReadTask
from callbill.ingest.shapes import shape_of
from callbill.tasks.connection import connect
from callbill.tasks.ingest import read_files
from callbill.verify.texts import texts_of
from callbill.warehouse.loads import LineSelection, SourceLoad

# --- files ---------------------------------------------------------------------------------------

USUAL: dict[str, dict[str, Any]] = {
    "call_logs": {
        "request_id": "8f14e45f-ceea-467f-a8e7-b1d2c3f4a5b6",
        "called_at": "2026-03-02T10:00:00+08:00",
        "owner_uin": "100000000081",
        "operate_uin": "200000000081",
        "action": "SearchByText",
        "http_status": "200",
    },
    "contracts": {
        "owner_uin": "100000000081",
        "component_code": "wimgs_search_by_text",
        "effective_from": "2026-03-01",
        "discount": "0.5",
    },
    "account_events": {
        "event_id": "70001",
        "owner_uin": "100000000081",
        "operate_uin": "100000000082",
        "occurred_at": "2026-03-02T10:00:00+08:00",
        "event_type": "recharge",
        "amount": "50.00",
    },
    "vendor_bills": {
        "owner_uin": "100000000081",
        "user_uin": "100000000082",
        "operate_uin": "200000000081",
        "resource_id": "wimgs-1",
        "order_id": "20260301",
        "bill_id": "20260302",
        "component_type": "wimgs",
        "component_name": "wimgs_search_by_text",
        "fee_begin_time": "2026-03-02 10:00:00",
        "real_cost": "0.06",
    },
}
SHAPES = [
    *(("call_logs", shape) for shape in ("canonical", "envelope", "cloudaudit")),
    *((feed, "canonical") for feed in ("contracts", "account_events", "vendor_bills")),
]
FIRST = datetime(2026, 3, 2, tzinfo=UTC)
KINDS = ("json", "csv", "parquet")
EVERYWHERE = pytest.mark.parametrize(
    ("feed", "shape", "kind"),
    [(feed, shape, kind) for feed, shape in SHAPES for kind in KINDS],
)
Line = Mapping[str, Any]


@dataclass(frozen=True)
class Read:
    """What became of the lines of a file: rows of the accepted by line, reasons of the others."""

    rows: dict[int, dict[str, Any]]
    reasons: dict[int, str]
    cleaned: dict[str, int]
    unreadable: str | None
    times: list[datetime]


@cache
def path_of(feed: str, shape: str, field: str, kind: str) -> str:
    paths = shape_of(feed, shape).fields.get(field, (field,))
    if feed == "vendor_bills" and kind == "json":
        return next((path for path in paths if "." in path), paths[-1])
    return paths[0]


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, name = path.split(".")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = value
    return root


def contents(feed: str, shape: str, kind: str, lines: Iterable[Line]) -> bytes:
    """A file of lines of fields, in its shape."""
    flat = [
        {path_of(feed, shape, field, kind): value for field, value in line.items()}
        for line in lines
    ]
    if kind == "csv":
        text = io.StringIO(newline="")
        names = list(dict.fromkeys(name for row in flat for name in row))
        writer = csv.DictWriter(text, names, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(flat)
        return text.getvalue().encode()
    rows = [nested(row) for row in flat]
    if kind == "json":
        for row in rows:
            if "Detail" in row:
                row.update(row.pop("Detail"), ComponentSet=[row.pop("Component")])
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if feed == "vendor_bills":
        rows = flat
    sink = io.BytesIO()
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(sink)
    return sink.getvalue()


def read(
    folder: Path,
    feed: str,
    shape: str,
    kind: str,
    content: bytes,
    reading_rules: int = 3,
    rejected: LineSelection | None = None,
    threads: int = 2,
) -> Read:
    suffix = {"json": "jsonl"}.get(kind, kind)
    path = folder / f"file.{suffix}"
    path.write_bytes(content)
    arrived_on = date(2026, 3, 3)
    file = FileToRead(path, path.name, "", "f" * 64, arrived_on, arrived_on, None, rejected)
    task = ReadTask(
        "task", feed, shape, kind, "Asia/Shanghai", reading_rules, (file,),
        folder / "out", folder / "scratch",
    )  # fmt: skip
    con = database()
    con.execute(f"set threads = {threads}")
    outcome = read_files(con, task)
    parts = [str(task.folder / part) for part in outcome.parts]
    rows = _rows(con, parts)
    rejects = (
        con.execute(
            "select line_number, reason from read_parquet(?)",
            [str(task.folder / outcome.rejects)],
        ).fetchall()
        if outcome.rejects
        else []
    )
    [counts] = outcome.files.values()
    # A line of a call log has its number as its time: a file read whole has no numbers of lines.
    return Read(
        {
            int((row["called_at"] - FIRST).total_seconds())
            if feed == "call_logs"
            else row["line_number"]: row
            for row in rows
        },
        {line: reason for line, reason in rejects if line is not None},
        counts.cleaned,
        counts.unreadable,
        sorted(row[name] for row in rows for name in ("called_at", "occurred_at") if name in row),
    )


@cache
def database() -> duckdb.DuckDBPyConnection:
    """The database that this process reads files in. To open one takes longer than to read a small
    file, and tests read hundreds."""
    con = connect(None, gettempdir())
    # Tests write one file after another under one name.
    con.execute("set enable_external_file_cache = false")
    return con


def _rows(con: duckdb.DuckDBPyConnection, parts: list[str]) -> list[dict[str, Any]]:
    if not parts:
        return []
    found = con.execute("from read_parquet(?, hive_partitioning = false)", [parts])
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def verified(
    folder: Path, feed: str, shape: str, kind: str, reading_rules: int = 3
) -> pl.DataFrame:
    """The lines of the file that was read last, as verify reads them."""
    suffix = {"json": "jsonl"}.get(kind, kind)
    load = SourceLoad(
        "f" * 64, feed, f"{feed}/file.{suffix}", shape, date(2026, 3, 3), date(2026, 3, 3),
        reading_rules=reading_rules,
    )  # fmt: skip
    return pl.concat([rows for rows, _part in texts_of(folder / f"file.{suffix}", load, folder)])


def numbered(feed: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines that can be told apart: in a call log by their times."""
    for n, line in enumerate(lines, 1):
        if feed == "call_logs":
            line["called_at"] = (FIRST + timedelta(seconds=n)).isoformat()
    return lines


def physical_numbers(kind: str, content: bytes, count: int) -> list[int]:
    """The number that each record has in its file: in CSV that of its first line."""
    if kind != "csv":
        return list(range(1, count + 1))
    numbers, reader = [], csv.reader(io.StringIO(content.decode(), newline=""))
    next(reader)
    before = reader.line_num
    for _row in reader:
        numbers.append(before + 1)
        before = reader.line_num
    return numbers
