"""Records that are read: every format and shape, fields and times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from tests.support.ingested import (
    SHAPED_CALLS,
    Landing,
    Release,
    envelope,
    utc,
)
from tests.support.landing_files import (
    OWNER,
    Fields,
    csv_file,
    gz,
    json_lines,
    parquet_file,
    record,
    without,
    zst,
)

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
        "attributes": None,
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


def canonical(call: tuple, request_id: str) -> Fields:
    _, called_at, _, owner, operate, code = call
    said = record(request_id, operate_uin=operate, error_code=code, region="ap-guangzhou")
    return said | {"called_at": called_at, "owner_uin": owner}


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
    "other case": ({"Operate_UIN": "100000000082"}, {"operate_uin": "100000000082"}),
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
    "milliseconds of 2001": (1000000000000, "2001-09-09T01:46:40"),
    "epoch microseconds": (1772416800123456, "2026-03-02T02:00:00.123456"),
    "epoch nanoseconds": (1772416800123456789, "2026-03-02T02:00:00.123456"),
    "the first instant": ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00"),
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
