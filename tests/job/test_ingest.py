"""What a run makes of the files in the landing folder: read, rejected, left alone.

All cases lie in one landing folder, each in a folder of its own, and two runs read them: the first
through 6 March, the second, after more files came, through 9 March.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from callbill.ingest.readers.lines import MAX_LINE_BYTES

from tests.support.commands import run_job
from tests.support.landing_files import (
    OWNER,
    RECORD,
    Fields,
    csv_file,
    gz,
    json_lines,
    parquet_file,
    record,
    without,
    write,
    zst,
)
from tests.support.project import FIXTURES

USED, ARRIVED = "2026-03-02", "2026-03-03"
THROUGH, LATER_THROUGH = "2026-03-06", "2026-03-09"
SEARCH_TEXT = "赤いティーポット-teapot"


class Landing:
    """The landing folder while it is being filled."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(
        self,
        case: str,
        name: str,
        content: bytes,
        *,
        arrived_on: str | None = ARRIVED,
        feed: str = "call_logs",
        shape: str | None = None,
    ) -> str:
        """Write a file of a case; its path in the landing folder."""
        folders = [feed, case]
        folders += [f"format={shape}"] if shape else []
        folders += [f"arrived_on={arrived_on}"] if arrived_on else []
        path = "/".join([*folders, name])
        write(self.root / path, content)
        return path


@dataclass(frozen=True)
class Release:
    """What one run left behind."""

    place: Path
    database: duckdb.DuckDBPyConnection
    warehouse: duckdb.DuckDBPyConnection
    status: dict[str, Any]
    ended: subprocess.CompletedProcess[str]

    def records(self, case: str) -> list[Fields]:
        """Records of the files whose paths begin so, by request id."""
        rows = self.warehouse.execute(
            f"""
            select {", ".join(f"c.{name}" for name in RECORD)}, f.path
            from raw.call_logs as c
            inner join ops.source_files as f
                on c.source_file_id = f.source_file_id and f.feed = 'call_logs'
            where starts_with(f.path, ?)
            order by c.request_id, c.settled_on, f.path
            """,
            [f"call_logs/{case}"],
        ).fetchall()
        return [dict(zip((*RECORD, "path"), row, strict=True)) for row in rows]

    def request_ids(self, case: str) -> list[str]:
        return [one["request_id"] for one in self.records(case)]

    def rejects(self, case: str, feed: str = "call_logs") -> list[tuple[int | None, str]]:
        return self.database.execute(
            """
            select line_number, reason from ops.rejected_records
            where starts_with(path, ?) and feed = ? order by path, line_number nulls first
            """,
            [f"{feed}/{case}", feed],
        ).fetchall()

    def files(self, case: str, feed: str = "call_logs") -> list[Fields]:
        rows = self.database.execute(
            """
            select path, format, arrived_on::varchar, settlement_floor::varchar, lines_read,
                records_accepted, records_rejected
            from ops.source_files where starts_with(path, ?) order by path, source_file_id
            """,
            [f"{feed}/{case}"],
        ).fetchall()
        names = ("path", "format", "arrived_on", "floor", "lines", "accepted", "rejected")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def counts(self, case: str, feed: str = "call_logs") -> list[tuple[int, int, int]]:
        return [(one["lines"], one["accepted"], one["rejected"]) for one in self.files(case, feed)]

    def not_read(self) -> dict[str, str]:
        return {one["name"]: one["why"] for one in self.status["files_not_read"]}


def run(place: Path, through: str) -> Release:
    ended = run_job(place, "--through", through)
    assert ended.returncode == 0, ended.stderr
    release = (place / "published" / "current").resolve()
    # A later run writes the warehouse again: each release keeps the one it was made from.
    kept = write(place / through / "warehouse.duckdb", (place / "warehouse.duckdb").read_bytes())
    return Release(
        place,
        duckdb.connect(str(release / "callbill.duckdb"), read_only=True),
        duckdb.connect(str(kept), read_only=True),
        json.loads((place / "published" / "status" / "last_run.json").read_text()),
        ended,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Release, Release]]:
    place = tmp_path_factory.mktemp("a place, with 'marks' 与") / "run=1"
    landing = Landing(place / "landing")
    for put in (
        put_formats,
        put_shapes,
        put_fields,
        put_times,
        put_rejects,
        put_contracts,
        put_search_texts,
        put_unreadable_files,
        put_deceptive_tables,
        put_copies,
        put_names,
        put_arrivals,
        put_files_that_change,
    ):
        put(landing)
    first = run(place, THROUGH)
    put_later(landing)
    second = run(place, LATER_THROUGH)
    yield first, second
    for release in (first, second):
        release.database.close()
        release.warehouse.close()


@pytest.fixture(scope="module")
def released(runs: tuple[Release, Release]) -> Release:
    """The first run's."""
    return runs[0]


@pytest.fixture(scope="module")
def later(runs: tuple[Release, Release]) -> Release:
    """The second run's."""
    return runs[1]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- formats -----------------------------------------------------------------------------------


def calls(prefix: str) -> list[Fields]:
    """Some calls of every kind; the ids are the format's own, or one file would be another's copy.

    Every line has every field, as the columns of a CSV file do.
    """
    nothing = {"operate_uin": None, "region": None, "error_code": None, "latency_ms": None}
    return [
        record(f"{prefix}/1", **nothing),
        record(f"{prefix}/2", **nothing | {"operate_uin": "100000000082", "latency_ms": 31}),
        record(f"{prefix}/3", **nothing | {"error_code": "InternalError"}),
        record(f"{prefix}/4", **nothing) | {"http_status": 502},
        record(f"{prefix}/5", **nothing | {"region": 'ap "quoted", 广州\n'}),
        record(f"{prefix}/6", **nothing) | {"called_at": "2026-03-02T03:00:00.123456Z"},
    ]


FORMATS = {
    f"{ending}{compression}": pack
    for ending in ("jsonl", "ndjson", "csv")
    for compression, pack in (("", bytes), (".gz", gz), (".zst", zst))
} | {"parquet": bytes}


def put_formats(landing: Landing) -> None:
    for ending, pack in FORMATS.items():
        rows = calls(ending)
        if ending.startswith("csv"):
            content = csv_file(rows)
        elif ending == "parquet":
            content = parquet_file(rows)
        else:
            content = json_lines(*rows)
        landing.put(f"formats/{ending}/by day/2026", f"nested/deeper/calls.{ending}", pack(content))
    # Parts of a stream, each compressed by itself, are one file.
    halves = [json_lines(*calls("parts")[:3]), json_lines(*calls("parts")[3:])]
    for ending, pack in (("jsonl.gz", gz), ("jsonl.zst", zst)):
        packed = b"".join(pack(half.replace(b"parts", ending.encode())) for half in halves)
        landing.put(f"parts/{ending}", f"calls.{ending}", packed)


def said_by(rows: Sequence[Fields]) -> list[Fields]:
    """Records without what tells their files apart."""
    return [
        without(row, "path") | {"request_id": row["request_id"].rpartition("/")[2]} for row in rows
    ]


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_gives_the_same_records(released: Release, ending: str) -> None:
    common = {
        "called_at": utc("2026-03-02T02:00:00"),
        "owner_uin": OWNER,
        "operate_uin": OWNER,
        "action": "SearchByText",
        "region": None,
        "http_status": 200,
        "error_code": None,
        "latency_ms": None,
        "usage_date": date(2026, 3, 2),
        "settled_on": date(2026, 3, 3),
        "settlement_floor": date(2026, 3, 3),
    }
    assert said_by(released.records(f"formats/{ending}/")) == [
        common | {"request_id": "1"},
        common | {"request_id": "2", "operate_uin": "100000000082", "latency_ms": 31},
        common | {"request_id": "3", "error_code": "InternalError"},
        common | {"request_id": "4", "http_status": 502},
        common | {"request_id": "5", "region": 'ap "quoted", 广州\n'},
        common | {"request_id": "6", "called_at": utc("2026-03-02T03:00:00.123456")},
    ]
    assert released.counts(f"formats/{ending}/") == [(6, 6, 0)]


@pytest.mark.parametrize("ending", ["jsonl.gz", "jsonl.zst"])
def test_a_file_compressed_in_parts_is_read_to_its_end(released: Release, ending: str) -> None:
    assert said_by(released.records(f"parts/{ending}/")) == said_by(
        released.records("formats/jsonl/")
    )


# --- shapes ------------------------------------------------------------------------------------

# id, time as text and as epoch seconds, owner, sub-account, error code
SHAPED_CALLS = (
    ("1", "2026-03-02T10:00:00+08:00", 1772416800, OWNER, "100000000082", None),
    ("2", "2026-03-02T10:00:01+08:00", 1772416801, OWNER, None, "FailedOperation"),
    ("3", "2026-03-01T23:59:59+08:00", 1772380799, "100000000083", None, None),
)


def canonical(call: tuple, request_id: str) -> Fields:
    _, called_at, _, owner, operate, code = call
    said = record(request_id, operate_uin=operate, error_code=code, region="ap-guangzhou")
    return said | {"called_at": called_at, "owner_uin": owner}


def envelope(call: tuple, request_id: str) -> Fields:
    _, called_at, _, owner, operate, code = call
    error = {"Error": {"Code": code, "Message": "no"}} if code else {}
    return {
        "called_at": called_at,
        "owner_uin": owner,
        "operate_uin": operate,
        "action": "SearchByText",
        "Response": {"RequestId": request_id, "Images": [], **error},
    }


def cloudaudit(call: tuple, request_id: str) -> Fields:
    _, _, seconds, owner, operate, code = call
    return {
        "requestID": request_id,
        "eventTime": seconds,
        "userIdentity": {"accountId": owner, "principalId": operate, "type": "CAM"},
        "eventName": "SearchByText",
        "eventRegion": "ap-guangzhou",
        "apiErrorCode": code or "",
        "errorCode": 0,
    }


SHAPES = {"canonical": canonical, "envelope": envelope, "cloudaudit": cloudaudit}
SHAPE_FILES = [
    "shapes/canonical-json",
    "shapes/canonical-named",
    "shapes/canonical-csv",
    "shapes/canonical-parquet",
    "shapes/envelope-json",
    "shapes/envelope-parquet",
    "shapes/cloudaudit-json",
    "shapes/cloudaudit-local-times",
    "shapes/cloudaudit-parquet",
]


def put_shapes(landing: Landing) -> None:
    for shape, said in SHAPES.items():
        case = f"shapes/{shape}"

        def rows(name: str, said: Any = said) -> list[Fields]:
            return [said(call, f"{name}/{call[0]}") for call in SHAPED_CALLS]

        given = None if shape == "canonical" else shape
        json_case, parquet_case = f"{case}-json", f"{case}-parquet"
        landing.put(json_case, "a.jsonl", json_lines(*rows(json_case)), shape=given)
        landing.put(parquet_case, "a.parquet", parquet_file(rows(parquet_case)), shape=given)
    named, csv_case = "shapes/canonical-named", "shapes/canonical-csv"
    landing.put(
        named,
        "a.jsonl",
        json_lines(*(canonical(call, f"{named}/{call[0]}") for call in SHAPED_CALLS)),
        shape="canonical",
    )
    landing.put(
        csv_case,
        "a.csv",
        csv_file([canonical(call, f"{csv_case}/{call[0]}") for call in SHAPED_CALLS]),
    )
    local = "shapes/cloudaudit-local-times"
    events = [cloudaudit(call, f"{local}/{call[0]}") for call in SHAPED_CALLS]
    for event, call in zip(events, SHAPED_CALLS, strict=True):
        event["eventTime"] = call[1].replace("T", " ").removesuffix("+08:00")
    landing.put(local, "a.jsonl", json_lines(*events), shape="cloudaudit")
    # The error codes that an event may carry.
    codes = {
        "api": {"apiErrorCode": "InvalidParameter", "errorCode": 0},
        "auth": {"apiErrorCode": "", "errorCode": "AuthFailure"},
        "neither": {"apiErrorCode": None, "errorCode": None},
    }
    landing.put(
        "audit-codes",
        "a.jsonl",
        json_lines(*(cloudaudit(SHAPED_CALLS[0], name) | said for name, said in codes.items())),
        shape="cloudaudit",
    )


@pytest.mark.parametrize("case", SHAPE_FILES)
def test_every_shape_gives_the_same_records(released: Release, case: str) -> None:
    names = ("request_id", "called_at", "owner_uin", "operate_uin", "error_code", "region")
    said = [tuple(row[name] for name in names) for row in said_by(released.records(f"{case}/"))]
    region = None if "envelope" in case else "ap-guangzhou"
    assert said == [
        ("1", utc("2026-03-02T02:00:00"), OWNER, "100000000082", None, region),
        ("2", utc("2026-03-02T02:00:01"), OWNER, OWNER, "FailedOperation", region),
        ("3", utc("2026-03-01T15:59:59"), "100000000083", "100000000083", None, region),
    ]
    assert [row["usage_date"].day for row in released.records(f"{case}/")] == [2, 2, 1]
    assert {row["http_status"] for row in released.records(f"{case}/")} == {200}
    assert {file["format"] for file in released.files(f"{case}/")} == {
        case.removeprefix("shapes/").partition("-")[0]
    }


def test_an_event_fails_by_its_api_code_or_else_by_the_other(released: Release) -> None:
    codes = {row["request_id"]: row["error_code"] for row in released.records("audit-codes/")}
    assert codes == {"api": "InvalidParameter", "auth": "AuthFailure", "neither": None}


# --- fields ------------------------------------------------------------------------------------

# What a line says beside the rest, and what the record then holds.
FIELDS: dict[str, tuple[Fields, Fields]] = {
    "nothing more": ({}, {"operate_uin": OWNER, "error_code": None, "region": None}),
    "owner a number": (
        {"owner_uin": 100000000081},
        {"owner_uin": "100000000081", "operate_uin": "100000000081"},
    ),
    "owner with zeros": ({"owner_uin": "007"}, {"owner_uin": "007"}),
    "sub-account null": ({"operate_uin": None}, {"operate_uin": OWNER}),
    "sub-account empty": ({"operate_uin": ""}, {"operate_uin": OWNER}),
    "sub-account": ({"operate_uin": "100000000082"}, {"operate_uin": "100000000082"}),
    "sub-account a number": ({"operate_uin": 100000000082}, {"operate_uin": "100000000082"}),
    "code null": ({"error_code": None}, {"error_code": None}),
    "code empty": ({"error_code": ""}, {"error_code": None}),
    "code": ({"error_code": "LimitExceeded.Day"}, {"error_code": "LimitExceeded.Day"}),
    "code a number": ({"error_code": 4000}, {"error_code": "4000"}),
    "code the word null": ({"error_code": "null"}, {"error_code": "null"}),
    "code and no status": (
        {"error_code": "InternalError", "http_status": None},
        {"error_code": "InternalError", "http_status": None},
    ),
    "status a text": ({"http_status": "201"}, {"http_status": 201}),
    "status with a point": ({"http_status": 204.0}, {"http_status": 204}),
    "region empty": ({"region": ""}, {"region": None}),
    "region": ({"region": "ap-上海"}, {"region": "ap-上海"}),
    "latency a text": ({"latency_ms": "12"}, {"latency_ms": 12}),
    "latency unreadable": ({"latency_ms": "fast"}, {"latency_ms": None}),
    "latency too long": ({"latency_ms": 99999999999}, {"latency_ms": None}),
    "unknown fields": ({"Query": "x", "nested": {"owner_uin": "1"}, "list": [1]}, {}),
    "other case": ({"Region": "a", "ERROR_CODE": "X"}, {"region": "a", "error_code": "X"}),
}


def put_fields(landing: Landing) -> None:
    lines = [record(name) | said for name, (said, _) in FIELDS.items()]
    landing.put("fields", "a.jsonl", json_lines(*lines))


@pytest.mark.parametrize("name", FIELDS)
def test_a_field(released: Release, name: str) -> None:
    [row] = [row for row in released.records("fields/") if row["request_id"] == name]
    said, expected = FIELDS[name]
    assert {field: row[field] for field in expected} == expected
    untouched = {
        "owner_uin": OWNER,
        "action": "SearchByText",
        "http_status": 200,
        "called_at": utc("2026-03-02T02:00:00"),
    }
    assert {field: row[field] for field in untouched if field not in said} == {
        field: value for field, value in untouched.items() if field not in said
    }


# What a line says of the time, and the instant in UTC.
TIMES: dict[str, tuple[object, str]] = {
    "offset": ("2026-03-02T10:00:00+08:00", "2026-03-02T02:00:00"),
    "zulu": ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00"),
    "small letters": ("2026-03-02t10:00:00z", "2026-03-02T10:00:00"),
    "west": ("2026-03-01T21:00:00-05:00", "2026-03-02T02:00:00"),
    "half hour": ("2026-03-02T07:30:00+05:30", "2026-03-02T02:00:00"),
    "offset without colon": ("2026-03-02T10:00:00+0800", "2026-03-02T02:00:00"),
    "offset of hours": ("2026-03-02T10:00:00+08", "2026-03-02T02:00:00"),
    "blank for T": ("2026-03-02 10:00:00+08:00", "2026-03-02T02:00:00"),
    "no seconds": ("2026-03-02T10:00+08:00", "2026-03-02T02:00:00"),
    "basic": ("20260302T100000+0800", "2026-03-02T02:00:00"),
    "milliseconds": ("2026-03-02T10:00:00.250+08:00", "2026-03-02T02:00:00.250"),
    "microseconds": ("2026-03-02T10:00:00.123456+08:00", "2026-03-02T02:00:00.123456"),
    # Not a day later for being rounded.
    "nanoseconds": ("2026-03-02T23:59:59.999999999+08:00", "2026-03-02T15:59:59.999999"),
    "comma": ("2026-03-02T10:00:00,5+08:00", "2026-03-02T02:00:00.500"),
    "midnight": ("2026-03-01T16:00:00Z", "2026-03-01T16:00:00"),
    "before midnight": ("2026-03-01T15:59:59.999999Z", "2026-03-01T15:59:59.999999"),
    "seconds": (1772416800, "2026-03-02T02:00:00"),
    "seconds as text": ("1772416800", "2026-03-02T02:00:00"),
    "seconds with a fraction": (1772416800.25, "2026-03-02T02:00:00.250"),
    "seconds and microseconds": ("1772416800.123456", "2026-03-02T02:00:00.123456"),
    # 23:59:59.99... in Beijing: not the next day.
    "seconds and ten decimals": ("1772380799.9999999999", "2026-03-01T15:59:59.999999"),
    "epoch milliseconds": (1772416800123, "2026-03-02T02:00:00.123"),
    "epoch milliseconds as text": ("1772416800123", "2026-03-02T02:00:00.123"),
    "milliseconds from 1e11 on": (946684800000, "2000-01-01T00:00:00"),
    "microseconds from 1e14 on": (1772416800123456, "2026-03-02T02:00:00.123456"),
    "nanoseconds from 1e17 on": (1772416800123456789, "2026-03-02T02:00:00.123456"),
    "the first": ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00"),
}


def put_times(landing: Landing) -> None:
    lines = [record(name) | {"called_at": said} for name, (said, _) in TIMES.items()]
    landing.put("times", "a.jsonl", json_lines(*lines))


@pytest.mark.parametrize("name", TIMES)
def test_a_time(released: Release, name: str) -> None:
    [row] = [row for row in released.records("times/") if row["request_id"] == name]
    instant = utc(TIMES[name][1])
    assert row["called_at"] == instant
    ten_minutes_past = {"midnight": date(2026, 3, 2), "before midnight": date(2026, 3, 1)}
    if name in ten_minutes_past:
        assert row["usage_date"] == ten_minutes_past[name]


# --- rejects -----------------------------------------------------------------------------------

GOOD = record("good")

# A line and why it is rejected; None if it is not, "blank" if it is no line.
JSON_LINES: list[tuple[Fields | str | bytes, str | None]] = [
    (GOOD | {"request_id": "first"}, None),
    ("", "blank"),
    (" \t\r", "blank"),
    ("{", "invalid_json"),
    ('{"request_id": "cut off', "invalid_json"),
    ("no json", "invalid_json"),
    (json.dumps(GOOD) + json.dumps(GOOD), "invalid_json"),
    (json.dumps(GOOD)[:-1] + ', "x": "\\ud800"}', "invalid_json"),
    (json.dumps(GOOD).encode()[:-1] + b', "x": "\xff"}', "invalid_encoding"),
    ("[]", "not_an_object"),
    ("null", "not_an_object"),
    ('"{}"', "not_an_object"),
    (json.dumps([GOOD]), "not_an_object"),
    (json.dumps(GOOD)[:-1] + ', "owner_uin": "1"}', "duplicate_key"),
    ("{}", "missing_request_id"),
    (without(GOOD, "request_id"), "missing_request_id"),
    (GOOD | {"request_id": None}, "missing_request_id"),
    (GOOD | {"request_id": ""}, "missing_request_id"),
    (GOOD | {"request_id": ["a"]}, "invalid_request_id"),
    (without(GOOD, "called_at"), "missing_called_at"),
    (GOOD | {"called_at": "2026-03-02T10:00:00"}, "called_at_without_offset"),
    (GOOD | {"called_at": "2026-03-02"}, "called_at_without_offset"),
    (GOOD | {"called_at": "yesterday"}, "invalid_called_at"),
    (GOOD | {"called_at": "2026-02-30T10:00:00Z"}, "invalid_called_at"),
    (GOOD | {"called_at": "2026-03-02T 0:00:00Z"}, "invalid_called_at"),
    (GOOD | {"called_at": "2026-03-02T10:0:00.Z"}, "invalid_called_at"),
    (GOOD | {"called_at": {"at": 1}}, "invalid_called_at"),
    (GOOD | {"called_at": True}, "invalid_called_at"),
    (without(GOOD, "owner_uin"), "missing_owner_uin"),
    (GOOD | {"owner_uin": ""}, "missing_owner_uin"),
    (GOOD | {"owner_uin": True}, "invalid_owner_uin"),
    (GOOD | {"owner_uin": 1e11}, "invalid_owner_uin"),
    (GOOD | {"owner_uin": "1.00E+11"}, "invalid_owner_uin"),
    (GOOD | {"operate_uin": "100000000082.0"}, "invalid_operate_uin"),
    (GOOD | {"operate_uin": {}}, "invalid_operate_uin"),
    (without(GOOD, "action"), "missing_action"),
    (GOOD | {"action": ["SearchByText"]}, "invalid_action"),
    (GOOD | {"region": {"id": 1}}, "invalid_region"),
    (GOOD | {"http_status": "OK"}, "invalid_http_status"),
    (GOOD | {"http_status": 200.5}, "invalid_http_status"),
    (GOOD | {"http_status": True}, "invalid_http_status"),
    (GOOD | {"error_code": False}, "invalid_error_code"),
    (GOOD | {"error_code": {"Code": "X"}}, "invalid_error_code"),
    (without(GOOD, "http_status"), "unknown_outcome"),
    (GOOD | {"http_status": None, "error_code": ""}, "unknown_outcome"),
    (GOOD | {"called_at": "2026-03-05T00:00:00+08:00"}, "future_timestamp"),
    (GOOD | {"called_at": 99999999999}, "future_timestamp"),
    ("   " + json.dumps(GOOD | {"request_id": "last"}) + "\t", None),
]

ENVELOPE_LINES: list[tuple[Fields, str | None]] = [
    (envelope(SHAPED_CALLS[0], "first"), None),
    (envelope(SHAPED_CALLS[0], ""), "missing_request_id"),
    ({**envelope(SHAPED_CALLS[0], "x"), "Response": None}, "missing_request_id"),
    ({**envelope(SHAPED_CALLS[0], "x"), "Response": "{}"}, "invalid_structure"),
    (
        {**envelope(SHAPED_CALLS[0], "x"), "Response": {"RequestId": "x", "Error": "no"}},
        "invalid_structure",
    ),
    # It says that it failed, but not how.
    (
        {**envelope(SHAPED_CALLS[0], "x"), "Response": {"RequestId": "x", "Error": {}}},
        "unknown_outcome",
    ),
    (envelope(SHAPED_CALLS[1], "last"), None),
]

CSV_HEADER = "request_id,called_at,owner_uin,action,http_status,error_code,Query\n"
CSV_GOOD = f"2026-03-02T10:00:00+08:00,{OWNER},SearchByText,200,"
# Text as it lies in the file, and why the record in it is rejected.
CSV_RECORDS: list[tuple[str | bytes, str | None]] = [
    (f"first,{CSV_GOOD},plain\n", None),
    (f',{CSV_GOOD},"of\nthree\nlines"\n', "missing_request_id"),
    (f'second,{CSV_GOOD},"of\n\ntwo, and a blank one"\n', None),
    (f"x,2026-03-02 10:00:00,{OWNER},SearchByText,200,,\n", "called_at_without_offset"),
    ("\n", "blank"),
    ("  \r\n", "blank"),
    (f"third,{CSV_GOOD},\r\n", None),
    (f"x,{CSV_GOOD}\n", "wrong_number_of_columns"),
    (f"x,{CSV_GOOD},,\n", "wrong_number_of_columns"),
    ("x\n", "wrong_number_of_columns"),
    (",,,,,,\n", "missing_request_id"),
    (f"x,{CSV_GOOD},".encode() + b"\xff\n", "invalid_encoding"),
    (f'x,{CSV_GOOD},"closed" too early\n', "malformed_csv"),
    (f'x,{CSV_GOOD},"never closed\n', "malformed_csv"),
    (f"x,2026-03-02T10:00:00Z,1.5E+11,SearchByText,200,,{SEARCH_TEXT}\n", "invalid_owner_uin"),
    (f"x,2026-03-02T10:00:00Z,{OWNER},SearchByText,,,\n", "unknown_outcome"),
    (f"last,{CSV_GOOD},", None),
]

PARQUET_ROWS: list[tuple[Fields, str | None]] = [
    (GOOD | {"request_id": "first"}, None),
    (GOOD | {"request_id": None}, "missing_request_id"),
    (GOOD | {"called_at": "2026-03-02T10:00:00"}, "called_at_without_offset"),
    (GOOD | {"http_status": None}, "unknown_outcome"),
    (GOOD | {"called_at": "2026-03-05T00:00:00+08:00"}, "future_timestamp"),
    (GOOD | {"request_id": "last"}, None),
]


def numbered(reasons: Sequence[str | None]) -> list[tuple[int, str]]:
    return [(n, reason) for n, reason in enumerate(reasons, 1) if reason not in (None, "blank")]


def csv_numbered() -> list[tuple[int, str]]:
    """The header is line 1; a record has the number of its first line."""
    expected, number = [], 2
    for text, reason in CSV_RECORDS:
        if reason not in (None, "blank"):
            expected.append((number, reason))
        raw = text if isinstance(text, bytes) else text.encode()
        number += raw.count(b"\n")
    return expected


def put_rejects(landing: Landing) -> None:
    lines = [line for line, _ in JSON_LINES]
    landing.put("rejects/json", "a.jsonl", json_lines(*lines))
    landing.put("rejects/crlf", "a.jsonl", b"\xef\xbb\xbf" + json_lines(*lines, end=b"\r\n"))
    landing.put("rejects/packed", "a.jsonl.zst", zst(b"\n" + json_lines(*lines)))
    landing.put(
        "rejects/envelope",
        "a.jsonl",
        json_lines(*(line for line, _ in ENVELOPE_LINES)),
        shape="envelope",
    )
    content = json_lines(CSV_HEADER, *(text for text, _ in CSV_RECORDS), end=b"")
    landing.put("rejects/csv", "a.csv", content)
    landing.put("rejects/csv-packed", "a.csv.gz", gz(b"\xef\xbb\xbf" + content))
    landing.put("rejects/parquet", "a.parquet", parquet_file([row for row, _ in PARQUET_ROWS]))
    # Clean files beside them, which are loaded whatever becomes of those.
    landing.put("rejects/beside", "a.jsonl", json_lines(record("beside/json")))
    landing.put("rejects/beside", "a.csv", csv_file([record("beside/csv")]))
    landing.put("rejects/beside", "a.parquet", parquet_file([record("beside/parquet")]))


# What looks like a plain table to who only glances at it; how many of its lines are accepted, and
# why the others are not.
DECEPTIVE: dict[str, tuple[bytes, int, list[str]]] = {
    # An editor's line break in a name, other line ends than the file's, both ways.
    "name-of-two-lines": (
        (CSV_HEADER[:-1].replace("Query", '"of\ntwo lines"') + "\r\n").encode()
        + b"".join(f"two-{n},{CSV_GOOD},\r\n".encode() for n in range(20)),
        20,
        [],
    ),
    "name-of-two-other-lines": (
        CSV_HEADER.replace("Query", '"of\r\ntwo lines"').encode()
        + b"".join(f"other-{n},{CSV_GOOD},\n".encode() for n in range(20)),
        20,
        [],
    ),
    # A blank line takes as many commas too few as the others have too many.
    "commas-that-cancel-out": (
        CSV_HEADER.encode() + f"cancel-0,{CSV_GOOD},,\n".encode() * 6 + b"\n",
        0,
        ["wrong_number_of_columns"] * 6,
    ),
    "nothing-but-a-zero-byte": (
        CSV_HEADER.encode() + f"zero,{CSV_GOOD},,\0\n".encode() * 3,
        0,
        ["wrong_number_of_columns"] * 3,
    ),
    # An engine that quotes it must not be taken for one that complains.
    "a-text-like-a-fault": (
        CSV_HEADER.encode()
        + f"fault-1,{CSV_GOOD},\n".encode()
        + f"fault-2,{CSV_GOOD},No space left on device,Out of Memory Error\n".encode(),
        1,
        ["wrong_number_of_columns"],
    ),
    "a-line-without-end": (
        CSV_HEADER.encode()
        + f"long-1,{CSV_GOOD},\n".encode()
        + b"x" * (MAX_LINE_BYTES + 2)
        + f"\nlong-2,{CSV_GOOD},\n".encode(),
        2,
        ["line_too_long"],
    ),
}


def put_deceptive_tables(landing: Landing) -> None:
    for name, (content, _accepted, _reasons) in DECEPTIVE.items():
        landing.put(f"deceptive/{name}", "a.csv", content)


@pytest.mark.parametrize("name", DECEPTIVE)
def test_tables_that_look_plain(released: Release, name: str) -> None:
    _content, accepted, reasons = DECEPTIVE[name]
    assert [reason for _, reason in released.rejects(f"deceptive/{name}/")] == reasons
    assert released.counts(f"deceptive/{name}/") == [
        (accepted + len(reasons), accepted, len(reasons))
    ]


@pytest.mark.parametrize("case", ["json", "crlf"])
def test_lines_of_json_that_are_rejected(released: Release, case: str) -> None:
    assert released.rejects(f"rejects/{case}/") == numbered([why for _, why in JSON_LINES])
    assert released.request_ids(f"rejects/{case}/") == ["first", "last"]


def test_a_blank_first_line_counts_where_lines_are_numbered(released: Release) -> None:
    expected = [(number + 1, why) for number, why in numbered([why for _, why in JSON_LINES])]
    assert released.rejects("rejects/packed/") == expected


def test_lines_of_an_envelope_that_are_rejected(released: Release) -> None:
    assert released.rejects("rejects/envelope/") == numbered([why for _, why in ENVELOPE_LINES])
    assert released.request_ids("rejects/envelope/") == ["first", "last"]


@pytest.mark.parametrize("case", ["csv", "csv-packed"])
def test_csv_records_that_are_rejected(released: Release, case: str) -> None:
    assert released.rejects(f"rejects/{case}/") == csv_numbered()
    assert released.request_ids(f"rejects/{case}/") == ["first", "last", "second", "third"]


def test_rows_of_parquet_that_are_rejected(released: Release) -> None:
    assert released.rejects("rejects/parquet/") == numbered([why for _, why in PARQUET_ROWS])
    assert released.request_ids("rejects/parquet/") == ["first", "last"]


def test_a_bad_file_holds_up_no_other(released: Release) -> None:
    assert released.request_ids("rejects/beside/") == [
        "beside/csv",
        "beside/json",
        "beside/parquet",
    ]


def test_lines_read_are_those_that_are_not_blank(released: Release) -> None:
    lines = sum(why != "blank" for _, why in JSON_LINES)
    for case in ("json", "crlf", "packed"):
        assert released.counts(f"rejects/{case}/") == [(lines, 2, lines - 2)]
    records = sum(why != "blank" for _, why in CSV_RECORDS)
    for case in ("csv", "csv-packed"):
        assert released.counts(f"rejects/{case}/") == [(records, 4, records - 4)]
    assert released.counts("rejects/parquet/") == [(6, 2, 4)]


def test_every_line_read_is_accepted_or_rejected(later: Release) -> None:
    """Of every file, by what is there and not by what the manifest says."""
    rows = later.warehouse.execute(
        """
        select
            f.path,
            f.lines_read,
            f.records_accepted,
            f.records_rejected,
            case f.feed
                when 'contracts' then (
                    select count(*) from raw.contracts as c
                    where c.source_file_id = f.source_file_id
                )
                else (
                    select count(*) from raw.call_logs as c
                    where c.source_file_id = f.source_file_id
                )
            end as accepted,
            (
                select count(*) from ops.rejected_records as r
                where r.source_file_id = f.source_file_id and r.feed = f.feed
                    and r.line_number is not null
            ) as rejected
        from ops.source_files as f
        """
    ).fetchall()
    assert len(rows) > 60
    for path, lines, accepted, rejected, found, found_rejected in rows:
        assert (found, found_rejected) == (accepted, rejected), path
        assert lines == accepted + rejected, path


def test_a_run_tells_how_many_lines_it_read(released: Release) -> None:
    [totals] = released.database.execute(
        """
        select
            sum(lines_read), sum(records_accepted), sum(records_rejected)
        from ops.source_files
        """
    ).fetchall()
    said = [released.status[f"{what}"] for what in ("lines_read", "records_accepted")]
    assert (*said, released.status["records_rejected"]) == totals
    assert f"{totals[0]} lines" in released.ended.stdout


def kept_of(released: Release, case: str) -> list[tuple]:
    return released.database.execute(
        """
        select reason, fields, line_length, line_sha256 from ops.rejected_records
        where starts_with(path, ?) order by line_number
        """,
        [f"call_logs/{case}"],
    ).fetchall()


def test_of_a_rejected_record_the_mapped_fields_are_kept(released: Release) -> None:
    [kept] = [row for row in kept_of(released, "rejects/csv/") if row[0] == "invalid_owner_uin"]
    assert json.loads(kept[1]) == {
        "request_id": "x",
        "called_at": "2026-03-02T10:00:00Z",
        "owner_uin": "1.5E+11",
        "operate_uin": None,
        "action": "SearchByText",
        "region": None,
        "http_status": "200",
        "error_code": None,
        "latency_ms": None,
    }
    assert kept[2:] == (None, None)


UNPARSABLE = {"invalid_json", "not_an_object", "invalid_encoding", "duplicate_key"}


@pytest.mark.parametrize("case", ["json", "crlf"])
def test_of_an_unparsable_line_only_length_and_hash_are_kept(released: Release, case: str) -> None:
    lines = [json_lines(line, end=b"") for line, why in JSON_LINES if why in UNPARSABLE]
    kept = [row for row in kept_of(released, f"rejects/{case}/") if row[0] in UNPARSABLE]
    assert [row[1:] for row in kept] == [
        (None, len(line), hashlib.sha256(line).hexdigest()) for line in lines
    ]


def test_of_an_unparsable_csv_record_only_length_and_hash_are_kept(released: Release) -> None:
    """They are those of its first line, without the line's end."""
    reasons = {"wrong_number_of_columns", "invalid_encoding", "malformed_csv"}
    texts = [text for text, why in CSV_RECORDS if why in reasons]
    lines = [text if isinstance(text, bytes) else text.encode() for text in texts]
    lines = [line.removesuffix(b"\n") for line in lines]
    kept = [row for row in kept_of(released, "rejects/csv/") if row[0] in reasons]
    assert [row[1:] for row in kept] == [
        (None, len(line), hashlib.sha256(line).hexdigest()) for line in lines
    ]


# --- contracts ---------------------------------------------------------------------------------

CONTRACT = {
    "owner_uin": "100000000084",
    "component_code": "wimgs_search_by_text",
    "effective_from": "2026-03-01",
    "effective_to": None,
    "discount": None,
    "contract_price": None,
}
HALF = CONTRACT | {"discount": "0.5"}

CONTRACT_LINES: list[tuple[Fields | str, str | None]] = [
    (CONTRACT | {"discount": 0.680405}, None),
    (CONTRACT | {"discount": 1, "effective_from": "2026-03-02"}, None),
    (CONTRACT | {"contract_price": "43.21098125", "effective_from": "2026-03-03"}, None),
    (CONTRACT | {"contract_price": 0, "effective_from": "2026-03-04"}, None),
    (HALF | {"effective_from": "2026-03-05", "effective_to": "2026-03-05"}, None),
    (HALF | {"effective_from": "2026-03-06", "effective_to": "2026-04-01"}, None),
    (HALF | {"discount": "0.500000000", "effective_from": "2026-03-07"}, None),
    ("[]", "not_an_object"),
    ("{", "invalid_json"),
    (HALF | {"owner_uin": None}, "missing_owner_uin"),
    (HALF | {"owner_uin": 1e11}, "invalid_owner_uin"),
    (HALF | {"component_code": ""}, "missing_component_code"),
    (HALF | {"component_code": ["x"]}, "invalid_component_code"),
    (HALF | {"effective_from": None}, "missing_effective_from"),
    (HALF | {"effective_from": "2026-02-30"}, "invalid_effective_from"),
    (HALF | {"effective_from": "2026-03-01T00:00:00+08:00"}, "invalid_effective_from"),
    (HALF | {"effective_to": "soon"}, "invalid_effective_to"),
    (HALF | {"effective_to": "2026-02-28"}, "effective_to_before_effective_from"),
    (CONTRACT, "missing_price"),
    (CONTRACT | {"discount": ""}, "missing_price"),
    (HALF | {"contract_price": "30"}, "both_discount_and_contract_price"),
    (CONTRACT | {"discount": 0}, "invalid_discount"),
    (CONTRACT | {"discount": "1.000001"}, "invalid_discount"),
    (CONTRACT | {"discount": "-0.5"}, "invalid_discount"),
    (CONTRACT | {"discount": "0.1234567"}, "invalid_discount"),
    (CONTRACT | {"discount": "50%"}, "invalid_discount"),
    (CONTRACT | {"contract_price": "-0.01"}, "invalid_contract_price"),
    (CONTRACT | {"contract_price": "1.123456789"}, "invalid_contract_price"),
    (CONTRACT | {"contract_price": "1e-30"}, "invalid_contract_price"),
    (CONTRACT | {"contract_price": "1.0000000000000001e-10"}, "invalid_contract_price"),
    (CONTRACT | {"contract_price": "1e-99999999999"}, "invalid_contract_price"),
    (CONTRACT | {"contract_price": True}, "invalid_contract_price"),
]
PRICES = [
    ("2026-03-01", None, "0.680405", None),
    ("2026-03-02", None, "1.000000", None),
    ("2026-03-03", None, None, "43.21098125"),
    ("2026-03-04", None, None, "0.00000000"),
    ("2026-03-05", "2026-03-05", "0.500000", None),
    ("2026-03-06", "2026-04-01", "0.500000", None),
    ("2026-03-07", None, "0.500000", None),
]


def put_contracts(landing: Landing) -> None:
    lines = [line for line, _ in CONTRACT_LINES]
    rows = [line for line in lines[:7] if isinstance(line, dict)]
    texts = [
        {name: None if value is None else str(value) for name, value in row.items()} for row in rows
    ]
    in_csv = [row | {"owner_uin": "100000000085"} for row in texts]
    in_parquet = [row | {"owner_uin": "100000000086"} for row in texts]
    landing.put("prices/json", "a.jsonl.gz", gz(json_lines(*lines)), feed="contracts")
    landing.put("prices/csv", "a.csv", csv_file(in_csv), feed="contracts")
    landing.put("prices/parquet", "a.parquet", parquet_file(in_parquet), feed="contracts")
    long_price = {"contract_price": "9999999999.12345678", "owner_uin": "100000000087"}
    landing.put(
        "prices/long",
        "a.jsonl",
        json_lines(
            CONTRACT | long_price,
            # The same as a number, of which readers of JSON hold 15 digits.
            json.dumps(CONTRACT | long_price | {"effective_from": "2026-03-02"}).replace(
                '"9999999999.12345678"', "9999999999.12345678"
            ),
        ),
        feed="contracts",
    )


def test_contract_lines_that_are_rejected(released: Release) -> None:
    expected = numbered([why for _, why in CONTRACT_LINES])
    assert released.rejects("prices/json/", "contracts") == expected
    assert released.counts("prices/json/", "contracts") == [(32, 7, 25)]


@pytest.mark.parametrize("owner", ["100000000084", "100000000085", "100000000086"])
def test_contracts_of_every_format(released: Release, owner: str) -> None:
    rows = released.warehouse.execute(
        """
        select
            effective_from::varchar, effective_to::varchar, discount::varchar,
            contract_price::varchar
        from raw.contracts where owner_uin = ? order by 1
        """,
        [owner],
    ).fetchall()
    assert rows == PRICES


def test_no_digit_of_a_price_is_lost(released: Release) -> None:
    rows = released.warehouse.execute(
        "select effective_from::varchar, contract_price::varchar from raw.contracts"
        " where owner_uin = ?",
        ["100000000087"],
    ).fetchall()
    assert rows == [("2026-03-01", "9999999999.12345678")]
    assert released.rejects("prices/long/", "contracts") == [(2, "invalid_contract_price")]


# --- the search text ---------------------------------------------------------------------------


def put_search_texts(landing: Landing) -> None:
    said = {"Query": SEARCH_TEXT}
    good, bad = record("query/good", **said), record("query/bad", **said) | {"owner_uin": None}
    cut_off = json.dumps(good, ensure_ascii=False)[:-1]
    for name, content in {
        "clean.jsonl": json_lines(good),
        "bad.jsonl": json_lines(good, bad, cut_off, f'["{SEARCH_TEXT}"]'),
        "clean.csv": csv_file([good]),
        "bad.csv": csv_file([good, bad]) + f'x,"{SEARCH_TEXT}"\n"{SEARCH_TEXT}'.encode(),
        "clean.parquet": parquet_file([good]),
        "bad.parquet": parquet_file([good, bad]),
        "half.parquet": parquet_file([good] * 3)[:-9],
        "half.jsonl.gz": gz(json_lines(good))[:-9],
        "header.csv": f"{SEARCH_TEXT},{SEARCH_TEXT}\n".encode(),
    }.items():
        landing.put("query", name, content)


def test_the_search_text_is_stored_nowhere(later: Release) -> None:
    assert len(later.request_ids("query/")) == 6
    assert len(later.rejects("query/")) == 10
    for con in (later.warehouse, later.database):
        relations = con.execute(
            """
            select table_schema, table_name from information_schema.tables
            where table_schema in ('raw', 'ops', 'billing')
            """
        ).fetchall()
        assert relations
        for schema, name in relations:
            found = con.execute(
                f"select count(*) from {schema}.{name} as t where contains(t::varchar, 'teapot')"
            ).fetchone()
            assert found == (0,), f"{schema}.{name}"
    for folder in (later.place / "published", later.place / "warehouse.duckdb.files"):
        for path in folder.rglob("*"):
            assert not path.is_file() or b"teapot" not in path.read_bytes(), path
    assert b"teapot" not in (later.place / "warehouse.duckdb").read_bytes()


# --- files that cannot be read -----------------------------------------------------------------


def put_unreadable_files(landing: Landing) -> None:
    content = json_lines(*(record(f"unreadable/{n}") for n in range(50)))
    table = csv_file([record(f"unreadable/{n}") for n in range(50)])
    columns = parquet_file([record(f"unreadable/{n}", x="x" * n) for n in range(50)])
    packed, frame = gz(content), zst(content)
    other_checksum = packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]
    for name, broken in {
        "cut.jsonl.gz": packed[: len(packed) // 2],
        "cut-at-the-end.jsonl.gz": packed[:-1],
        "cut-in-the-second-part.jsonl.gz": packed + packed[:20],
        "other-checksum.jsonl.gz": other_checksum,
        "more-behind.jsonl.gz": packed + b"and more",
        "plain.jsonl.gz": content,
        "empty.jsonl.gz": b"",
        "cut.csv.gz": gz(table)[:-4],
        "cut.jsonl.zst": frame[: len(frame) // 2],
        "cut-at-the-end.jsonl.zst": frame[:-1],
        "cut-in-the-second-part.jsonl.zst": frame + frame[:20],
        "other-checksum.jsonl.zst": frame[:-1] + bytes([frame[-1] ^ 1]),
        "plain.csv.zst": table,
        "garbage.parquet": b"no parquet at all",
        "half.parquet": columns[: len(columns) // 2],
        "without-its-middle.parquet": columns[:100] + columns[200:],
        # It says of a page that it takes two gigabytes.
        "damaged.parquet": (FIXTURES / "damaged.parquet").read_bytes(),
        "column-named-twice.csv": b"request_id,request_id\nx,y\n",
        "utf-16.csv": table.decode().encode("utf-16"),
    }.items():
        landing.put("unreadable", name, broken)
    # Nothing is wrong with these.
    landing.put("empty", "a.jsonl", b"\n")
    landing.put("empty", "a.csv", CSV_HEADER.encode())
    landing.put("empty", "a.jsonl.gz", gz(b""))
    landing.put("empty", "a.jsonl.zst", zst(b"\n\n"))
    landing.put("empty", "a.parquet", parquet_file([], like=record("x")))


def test_a_file_that_cannot_be_read_is_rejected_whole(released: Release) -> None:
    files = released.files("unreadable/")
    assert len(files) == 19
    assert released.rejects("unreadable/") == [(None, "unreadable_file")] * len(files)
    assert released.counts("unreadable/") == [(0, 0, 0)] * len(files)
    assert released.records("unreadable/") == []
    told = released.database.execute(
        """
        select bool_and(detail is not null and fields is null and line_sha256 is null)
        from ops.rejected_records where reason = 'unreadable_file'
        """
    ).fetchone()
    assert told == (True,)


def test_a_file_without_lines_is_read_all_the_same(released: Release) -> None:
    assert released.counts("empty/") == [(0, 0, 0)] * 5
    assert released.rejects("empty/") == []


# --- the same content --------------------------------------------------------------------------


def put_copies(landing: Landing) -> None:
    content = json_lines(record("copied"))
    landing.put("copies", "a-second-name.jsonl", content, arrived_on="2026-03-05")
    landing.put("copies", "original.jsonl", content, arrived_on="2026-03-04")
    landing.put("copies", "third-name.ndjson", content, arrived_on="2026-03-05")
    # Another feed is another file, and compressed it is another content.
    both = json_lines("[]")
    landing.put("copies", "x.jsonl", both)
    landing.put("copies", "x.jsonl", both, feed="contracts")
    landing.put("copies", "x.jsonl.gz", gz(both))


def test_the_same_content_is_loaded_once_as_it_arrived_first(released: Release) -> None:
    [row] = released.records("copies/")
    assert row["path"] == "call_logs/copies/arrived_on=2026-03-04/original.jsonl"
    assert row["settlement_floor"] == date(2026, 3, 4)
    arrivals = {file["path"]: file["arrived_on"] for file in released.files("copies/arrived_on")}
    assert arrivals == {
        "call_logs/copies/arrived_on=2026-03-04/original.jsonl": "2026-03-04",
        f"call_logs/copies/arrived_on={ARRIVED}/x.jsonl": ARRIVED,
        f"call_logs/copies/arrived_on={ARRIVED}/x.jsonl.gz": ARRIVED,
    }
    assert released.rejects("copies/", "contracts") == [(1, "not_an_object")]


# --- names -------------------------------------------------------------------------------------

NOT_MEANT = ("a.jsonl.tmp", "a.jsonl.part", ".a.jsonl", "_a.jsonl", ".hidden/a.jsonl", "_tmp/a.csv")
NOBODY_READS = (
    "a.txt",
    "a.json",
    "a.JSONL.bz2",
    "a.parquet.gz",
    "jsonl",
    "a.jsonl.gz.zst",
)
AWKWARD = (
    "with blank",
    "  ",
    "quote's",
    'double"quote',
    "glob*[a]?{b,c}",
    "per%20cent%s",
    "new\nline",
    "tab\t",
    "back\\slash",
    "semi;colon--",
    "$(dollar) `x`",
    "-dash",
    "文搜图😀",
    "a=b",
    "format=nosuch",
    "x" * 200,
)


def put_names(landing: Landing) -> None:
    for n, name in enumerate((*NOT_MEANT, *NOBODY_READS)):
        landing.put("names/not-read", name, json_lines(record(f"not read/{n}")))
    landing.put("names/day", "a.jsonl", json_lines(record("not read")), arrived_on="2026-13-01")
    landing.put("names/shape", "a.jsonl", json_lines(record("not read")), shape="nosuch")
    landing.put("names", "a.jsonl", json_lines(record("not read")), feed="no_feed")
    write(landing.root / "a.jsonl", json_lines(record("not read")))
    for n, name in enumerate(AWKWARD):
        rows = [record(f"{n:02d}/{kind}") for kind in ("csv", "gz", "jsonl", "parquet")]
        bad = {"request_id": ""}
        landing.put("awkward", f"{name}.csv", csv_file([rows[0], bad] if n % 4 else rows[:1]))
        landing.put("awkward", f"{name}.jsonl.gz", gz(json_lines(rows[1])))
        landing.put(f"awkward/{name}", f"{name}.jsonl", json_lines(rows[2]))
        landing.put("awkward", f"{name}.parquet", parquet_file([rows[3]]))
    strange = os.fsencode(landing.root / "call_logs" / "awkward") + b"/arrived_on=2026-03-03/\xff"
    Path(os.fsdecode(strange + b".jsonl")).write_bytes(json_lines(record("99/bytes")))


def test_names_that_are_not_meant_to_be_read(released: Release) -> None:
    assert released.files("names/not-read/") == []
    told = "\n".join(released.not_read())
    for name in NOT_MEANT:
        assert f"/{name}" not in told


def test_a_name_that_nobody_can_read_is_told(released: Release) -> None:
    assert released.files("names/") == []
    told = set(released.not_read())
    assert told == {
        *(f"call_logs/names/not-read/arrived_on={ARRIVED}/{name}" for name in NOBODY_READS),
        "call_logs/names/day/arrived_on=2026-13-01/a.jsonl",
        f"call_logs/names/shape/format=nosuch/arrived_on={ARRIVED}/a.jsonl",
        f"no_feed/names/arrived_on={ARRIVED}/a.jsonl",
        "a.jsonl",
        # A folder of that name says what the shape of its files is.
        f"call_logs/awkward/format=nosuch/arrived_on={ARRIVED}/format=nosuch.jsonl",
    }
    for name in told:
        assert name in released.ended.stdout


def test_awkward_names(released: Release) -> None:
    expected = {
        f"{n:02d}/{kind}"
        for n, name in enumerate(AWKWARD)
        for kind in ("csv", "gz", "jsonl", "parquet")
        if (name, kind) != ("format=nosuch", "jsonl")
    } | {"99/bytes"}
    assert set(released.request_ids("awkward/")) == expected
    assert {
        file["path"] for file in released.files("awkward/arrived_on") if "\\xff" not in file
    } >= {f"call_logs/awkward/arrived_on={ARRIVED}/{name}.parquet" for name in AWKWARD}
    assert released.rejects("awkward/arrived_on") == [(3, "missing_request_id")] * 12


# --- arrival -----------------------------------------------------------------------------------


def put_arrivals(landing: Landing) -> None:
    for name, modified in {
        "before-midnight.jsonl": "2026-03-03T23:59:59+08:00",
        "after-midnight.jsonl": "2026-03-04T00:00:00+08:00",
        "future.jsonl": "2026-03-07T00:00:00+08:00",
    }.items():
        path = landing.put("modified", name, json_lines(record(name)), arrived_on=None)
        instant = datetime.fromisoformat(modified).timestamp()
        os.utime(landing.root / path, (instant, instant))
    # The path counts, not when the file was written.
    path = landing.put("said", "a.jsonl", json_lines(record("said")), arrived_on="2026-03-05")
    os.utime(landing.root / path, (0, 0))
    landing.put("waits", "today.jsonl", json_lines(record("today")), arrived_on=THROUGH)
    landing.put("waits", "tomorrow.jsonl", json_lines(record("tomorrow")), arrived_on="2026-03-07")
    landing.put(
        "future",
        "a.jsonl",
        json_lines(
            record("last moment") | {"called_at": "2026-03-04T23:59:59.999999+08:00"},
            record("too late") | {"called_at": "2026-03-05T00:00:00+08:00"},
        ),
    )


def test_a_file_arrives_on_the_day_it_was_modified_in_beijing(released: Release) -> None:
    assert {
        file["path"].rpartition("/")[2]: file["arrived_on"] for file in released.files("mod")
    } == {
        "before-midnight.jsonl": "2026-03-03",
        "after-midnight.jsonl": "2026-03-04",
    }


def test_a_path_says_when_its_file_arrived(released: Release) -> None:
    assert [(f["arrived_on"], f["floor"]) for f in released.files("said/")] == [
        ("2026-03-05", "2026-03-05")
    ]
    assert [row["settled_on"] for row in released.records("said/")] == [date(2026, 3, 5)]


def test_a_file_that_arrives_after_the_run_waits(released: Release, later: Release) -> None:
    assert released.request_ids("waits/") == ["today"]
    assert later.request_ids("waits/") == ["today", "tomorrow"]
    floors = {file["path"].rpartition("/")[2]: file["floor"] for file in later.files("waits/")}
    assert floors == {"today.jsonl": THROUGH, "tomorrow.jsonl": "2026-03-07"}
    assert later.request_ids("modified/future") == ["future.jsonl"]
    assert not any("tomorrow" in name for name in released.not_read())


def test_a_call_may_lie_a_day_after_its_arrival_but_not_two(released: Release) -> None:
    assert released.request_ids("future/") == ["last moment"]
    assert released.rejects("future/") == [(2, "future_timestamp")]


# --- between two runs --------------------------------------------------------------------------


def put_files_that_change(landing: Landing) -> None:
    landing.put("edited", "a.jsonl", json_lines(record("edited/1")))
    landing.put("touched", "a.jsonl", json_lines(record("touched/1")))
    landing.put("renamed", "a.jsonl", json_lines(record("renamed/1")))


def put_later(landing: Landing) -> None:
    landing.put("edited", "a.jsonl", json_lines(record("edited/1"), record("edited/2")))
    os.utime(landing.root / f"call_logs/touched/arrived_on={ARRIVED}/a.jsonl")
    folder = landing.root / f"call_logs/renamed/arrived_on={ARRIVED}"
    (folder / "a.jsonl").rename(folder / "b.jsonl")
    landing.put("late", "a.jsonl", json_lines(record("late")), arrived_on="2026-03-04")
    landing.put("late", "b.jsonl", json_lines(record("sealed day")), arrived_on=THROUGH)
    landing.put("late", "c.jsonl", json_lines(record("in time")), arrived_on="2026-03-08")


def test_a_file_gets_the_first_settlement_date_that_is_not_sealed(later: Release) -> None:
    files = [
        (f["path"].rpartition("/")[2], f["arrived_on"], f["floor"]) for f in later.files("late/")
    ]
    assert files == [
        ("a.jsonl", "2026-03-04", "2026-03-07"),
        ("b.jsonl", "2026-03-06", "2026-03-07"),
        ("c.jsonl", "2026-03-08", "2026-03-08"),
    ]
    settled = {row["request_id"]: row["settled_on"].isoformat() for row in later.records("late/")}
    assert settled == {"late": "2026-03-07", "sealed day": "2026-03-07", "in time": "2026-03-08"}


def test_a_floor_is_kept_for_ever(released: Release, later: Release) -> None:
    before = {file["path"]: file["floor"] for file in released.files("formats/")}
    assert set(before.values()) == {ARRIVED}
    assert {file["path"]: file["floor"] for file in later.files("formats/")} == before


def test_an_edited_file_is_a_new_file(released: Release, later: Release) -> None:
    assert released.request_ids("edited/") == ["edited/1"]
    assert [(row["request_id"], row["settled_on"].day) for row in later.records("edited/")] == [
        ("edited/1", 3),
        ("edited/1", 7),
        ("edited/2", 7),
    ]
    assert sorted((f["lines"], f["floor"]) for f in later.files("edited/")) == [
        (1, "2026-03-03"),
        (2, "2026-03-07"),
    ]


@pytest.mark.parametrize("case", ["touched", "renamed"])
def test_a_file_with_the_same_content_is_not_loaded_again(later: Release, case: str) -> None:
    assert later.request_ids(f"{case}/") == [f"{case}/1"]
    assert [file["path"] for file in later.files(f"{case}/")] == [
        f"call_logs/{case}/arrived_on={ARRIVED}/a.jsonl"
    ]
