"""Lines and rows that are rejected, and what is kept of them."""

from __future__ import annotations

import hashlib
import json

import pytest
from callbill.ingest.readers.lines import MAX_LINE_BYTES

from tests.support.ingested import (
    CSV_HEADER,
    GOOD,
    SEARCH_TEXT,
    SHAPED_CALLS,
    Landing,
    Release,
    envelope,
    numbered,
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
    (GOOD | {"called_at": 0}, "invalid_called_at"),
    (GOOD | {"called_at": 100000000000}, "invalid_called_at"),
    (GOOD | {"called_at": "1999-12-31T23:59:59.999999Z"}, "invalid_called_at"),
    (GOOD | {"OWNER_UIN": "1"}, "duplicate_key"),
    (GOOD | {"called_at": True}, "invalid_called_at"),
    (without(GOOD, "owner_uin"), "missing_owner_uin"),
    (GOOD | {"owner_uin": ""}, "missing_owner_uin"),
    (GOOD | {"owner_uin": True}, "invalid_owner_uin"),
    (GOOD | {"owner_uin": 1e11}, "invalid_owner_uin"),
    (GOOD | {"owner_uin": "1.00E+11"}, "invalid_owner_uin"),
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
