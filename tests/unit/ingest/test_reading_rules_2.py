"""Version 2 of the reading rules: what is around identifiers, placeholders, error codes, times.

Each kind of dirt is written down with its members, and put into every field that it concerns, of
every feed, shape and format. `verify` reads the same files by rules of its own.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from callbill.ingest.feed import feeds
from callbill.ingest.read_task import FileToRead, ReadTask
from callbill.ingest.shapes import shape_of
from callbill.tasks.ingest import read_files
from callbill.verify.texts import texts_of
from callbill.warehouse.loads import SourceLoad

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


def path_of(feed: str, shape: str, field: str, kind: str) -> str:
    paths = shape_of(feed, shape).fields.get(field, (field,))
    if feed == "vendor_bills" and kind == "json":
        return paths[1] if len(paths) > 1 and "." in paths[1] else paths[-1]
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
        writer = csv.DictWriter(text, names, lineterminator="\n")
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
    folder: Path, feed: str, shape: str, kind: str, content: bytes, reading_rules: int = 2
) -> Read:
    suffix = {"json": "jsonl"}.get(kind, kind)
    path = folder / f"file.{suffix}"
    path.write_bytes(content)
    arrived_on = date(2026, 3, 3)
    file = FileToRead(path, path.name, "", "f" * 64, arrived_on, arrived_on)
    task = ReadTask(
        "task", feed, shape, kind, "Asia/Shanghai", reading_rules, (file,),
        folder / "out", folder / "scratch",
    )  # fmt: skip
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
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
    # A line of a call log has its number as latency: a file read whole has no numbers of lines.
    number = "latency_ms" if feed == "call_logs" else "line_number"
    return Read(
        {row[number]: row for row in rows},
        {line: reason for line, reason in rejects if line is not None},
        counts.cleaned,
        counts.unreadable,
    )


def _rows(con: duckdb.DuckDBPyConnection, parts: list[str]) -> list[dict[str, Any]]:
    if not parts:
        return []
    found = con.execute("from read_parquet(?, hive_partitioning = false)", [parts])
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def verified(folder: Path, feed: str, shape: str, kind: str) -> pl.DataFrame:
    """The lines of the file that was read last, as verify reads them."""
    suffix = {"json": "jsonl"}.get(kind, kind)
    load = SourceLoad(
        "f" * 64, feed, f"{feed}/file.{suffix}", shape, date(2026, 3, 3), date(2026, 3, 3),
        reading_rules=2,
    )  # fmt: skip
    return pl.concat(
        [rows for rows, _part in texts_of(folder / f"file.{suffix}", load, folder)]
    )


def numbered(feed: str, kind: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines that can be told apart: in a call log by their latency, which is their number."""
    for n, line in enumerate(lines, 1):
        if feed == "call_logs":
            line["latency_ms"] = n
        if "request_id" in line:
            line.setdefault("request_id", f"request-{n}")
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


# --- what is left around identifiers -------------------------------------------------------------

UNSEEN = [
    *("\u00ad", "\u061c", "\u180e", "\ufeff"),
    *map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070))),
]
BLANKS = [
    *"\t\n\v\f\r \u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000",
    *map(chr, range(0x2000, 0x200B)),
    *UNSEEN,
]
LEFTOVERS = [
    *(f"{blank}%" for blank in BLANKS),
    *(f"%{blank}" for blank in BLANKS),
    *(f"{blank}%{blank}" for blank in BLANKS),
    *("'%", "''%", " '%", "' %", "\ufeff'%\t", '="%"', ' ="%" ', '="%" ', '=" % "', '="\'%"'),
    *("\u00a0\u200b%\u3000 ", "\t\t%\r\n"),
]
IDENTIFIERS = {(feed, shape): list(feeds()[feed].identifiers) for feed, shape in SHAPES}


@EVERYWHERE
def test_what_is_left_around_an_identifier_is_taken_off(
    tmp_path: Path, feed: str, shape: str, kind: str
) -> None:
    fields = IDENTIFIERS[feed, shape]
    cases = [(field, leftover) for field in fields for leftover in LEFTOVERS]
    usual = USUAL[feed]
    lines = numbered(
        feed,
        kind,
        [{**usual, field: leftover.replace("%", usual[field])} for field, leftover in cases],
    )
    content = contents(feed, shape, kind, lines)
    outcome = read(tmp_path, feed, shape, kind, content)
    assert outcome.reasons == {}
    assert len(outcome.rows) == len(lines)
    for row in outcome.rows.values():
        assert {field: row[field] for field in fields} == {field: usual[field] for field in fields}
    assert outcome.cleaned == dict.fromkeys(sorted(fields), len(LEFTOVERS))
    if feed in ("call_logs", "contracts"):
        again = verified(tmp_path, feed, shape, kind)
        assert not again["malformed"].any()
        for field in fields:
            assert again[field].unique().to_list() == [usual[field]]


# --- what is no identifier -----------------------------------------------------------------------

PLACEHOLDERS = [
    spelled
    for text in ("-", "null", "nil", "none", "undefined", "NaN", "N/A", "\\N")
    for spelled in dict.fromkeys((text, text.upper(), text.lower(), text.title(), f" {text}\t"))
]
CONTROLS = [*map(chr, (0, 1, 9, 10, 13, 27, 31, 127, 133, 159, 0x2028)), *UNSEEN]
MANGLED = {
    "number": [
        *("1.0E+11", "1E11", "1e11", "1.00e-3", "1E+11", "-100000000001", "+100000000001"),
        *("100000000001.0", "100000000001.", ".5", "1,0E+11", "1,5", "-1", "+", " 1E11", "'-1"),
    ],
    "request": ["1.78823E+15", "1E+15", "9.9e+21", "1,78823E+15", "1788230000000000.0", " 1E+15"],
    "code": [],
}
# These are identifiers, however much they look like the above.
REAL = {
    "number": ["acme/eu", "..", "e5", "E12", "0", "007", "1 000", "1e", "10.0.0.1", "文"],
    "request": ["1e11ab", "12345e10", "1E11", "1e5", "-1", "1.5", "a+b", "nullable", "--"],
    "code": ["1.0", "1E+11", "Search By Text", "nonet", "a-b"],
}


@EVERYWHERE
def test_what_is_no_identifier_is_rejected_or_absent(
    tmp_path: Path, feed: str, shape: str, kind: str
) -> None:
    usual = USUAL[feed]
    required = {field for alternatives in feeds()[feed].required for field in alternatives}
    cases = []
    for field, of_kind in feeds()[feed].identifiers.items():
        missing = f"missing_{field}" if field in required else None
        middle = len(usual[field]) // 2
        cases += [(field, text, missing) for text in (*PLACEHOLDERS, "", " ", "'", '=""')]
        cases += [
            (field, usual[field][:middle] + control + usual[field][middle:], f"invalid_{field}")
            for control in CONTROLS
        ]
        cases += [(field, text, f"invalid_{field}") for text in MANGLED[of_kind]]
        if field != "event_type":
            cases += [(field, text, None) for text in REAL[of_kind]]
    lines = numbered(feed, kind, [{**usual, field: text} for field, text, _reason in cases])
    content = contents(feed, shape, kind, lines)
    outcome = read(tmp_path, feed, shape, kind, content)
    numbers = physical_numbers(kind, content, len(cases))
    expected = {
        number: reason
        for number, (_field, _text, reason) in zip(numbers, cases, strict=True)
        if reason is not None
    }
    assert outcome.reasons == expected
    assert len(outcome.rows) == len(cases) - len(expected)
    by_number = {
        number: outcome.rows[n if feed == "call_logs" else number]
        for n, number in enumerate(numbers, 1)
        if number not in expected
    }
    for number, (field, text, reason) in zip(numbers, cases, strict=True):
        if reason is None:
            if text in REAL[feeds()[feed].identifiers[field]]:
                assert by_number[number][field] == text
            else:
                default = usual["owner_uin"] if field == "operate_uin" else None
                if feed == "vendor_bills":
                    default = None
                assert by_number[number][field] == default
    if feed in ("call_logs", "contracts"):
        again = verified(tmp_path, feed, shape, kind)
        fine = ~again["malformed"]
        for field in required & set(feeds()[feed].identifiers):
            fine &= again[field].is_not_null()
        assert set(again.filter(fine)["line"]) == set(by_number)
        for row in again.filter(fine).to_dicts():
            for field in feeds()[feed].identifiers:
                stored = by_number[row["line"]][field]
                assert (row[field] or row["owner_uin"]) == stored


# --- error codes ---------------------------------------------------------------------------------

ZEROS = [
    *("0", "0.0", "0.00", "-0", "+0", "00", "0.", ".0", "0e0", "0E0", "0e+5", "0.0E-3", "-0.0"),
    *("0,0", "0x0", "'0", '="0"', " 0", "0\u00a0", "0\t"),
]
BLANK_CODES = ["", " ", "\t", "\u00a0", "\u200b", "\ufeff", "'", '=""', "NaN", "nan", "NAN", "-nan"]
CODES = ["InternalError", "1", "0.1", "OK", "Success", "null", "-", "None", "0a", "AuthFailure.X"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", ["canonical", "envelope", "cloudaudit"])
def test_zero_in_any_spelling_is_no_error(tmp_path: Path, shape: str, kind: str) -> None:
    codes = [*ZEROS, *BLANK_CODES, *CODES]
    usual = USUAL["call_logs"]
    lines = numbered("call_logs", kind, [{**usual, "error_code": code} for code in codes])
    if shape != "canonical":
        lines = [{k: v for k, v in line.items() if k != "http_status"} for line in lines]
    content = contents("call_logs", shape, kind, lines)
    outcome = read(tmp_path, "call_logs", shape, kind, content)
    # The lines have no latency in these shapes, but they are in their order.
    found = [outcome.rows[n]["error_code"] for n in sorted(outcome.rows)]
    in_object = shape == "envelope" and kind != "csv"
    # An error object that says nothing of its code is neither a success nor a failure.
    nothing = BLANK_CODES if in_object else []
    assert outcome.reasons == dict.fromkeys(
        (n for n, code in enumerate(codes, 1) if code in nothing), "unknown_outcome"
    )
    assert found == [
        None if code in ZEROS or code in BLANK_CODES else code
        for code in codes
        if code not in nothing
    ]
    again = verified(tmp_path, "call_logs", shape, kind)
    is_error = [code is not None for code in again["error_code"]]
    assert is_error == [code in CODES for code in codes]
    assert again["has_error"].to_list() == [
        in_object and code not in ZEROS for code in codes
    ]
