"""Version 2 of the reading rules: what is around identifiers, placeholders, error codes, times.

Each kind of dirt is written down with its members, and put into every field that it concerns, of
every feed, shape and format. `verify` reads the same files by rules of its own.
"""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest
import zstandard
from callbill.ingest.feed import feeds
from callbill.ingest.shapes import shape_of
from callbill.verify.instants import FIRST_CALLS, FIRST_INSTANT, instant
from callbill.warehouse.loads import LineSelection

from tests.support.single_files import (
    EVERYWHERE,
    KINDS,
    SHAPES,
    USUAL,
    contents,
    numbered,
    path_of,
    physical_numbers,
    read,
    verified,
)

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
    """Around all identifiers of a line at once, and around each alone."""
    fields, usual = IDENTIFIERS[feed, shape], USUAL[feed]
    around = [(fields, leftover) for leftover in LEFTOVERS]
    around += [([field], "\u200b%") for field in fields]
    lines = numbered(
        feed,
        [
            {**usual, **{field: leftover.replace("%", usual[field]) for field in some}}
            for some, leftover in around
        ],
    )
    content = contents(feed, shape, kind, lines)
    outcome = read(tmp_path, feed, shape, kind, content)
    assert outcome.reasons == {}
    assert len(outcome.rows) == len(lines)
    for row in outcome.rows.values():
        assert {field: row[field] for field in fields} == {field: usual[field] for field in fields}
    assert outcome.cleaned == dict.fromkeys(sorted(fields), len(LEFTOVERS) + 1)
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
        # The owner pays, whoever called.
        is_call = feed == "call_logs"
        invalid = None if is_call and field == "operate_uin" else f"invalid_{field}"
        middle = len(usual[field]) // 2
        absent = [*PLACEHOLDERS, "", " ", "'", '=""']
        if feed == "vendor_bills":
            # An empty one gives way to the next that the API has.
            absent = [text for text in absent if text not in ("", "-")]
        cases += [(field, text, missing) for text in absent]
        cases += [
            (field, usual[field][:middle] + control + usual[field][middle:], invalid)
            for control in CONTROLS
        ]
        cases += [(field, text, invalid) for text in MANGLED[of_kind]]
        if field != "event_type":
            cases += [(field, text, None) for text in REAL[of_kind]]
    lines = numbered(feed, [{**usual, field: text} for field, text, _reason in cases])
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
    lines = numbered("call_logs", [{**usual, "error_code": code} for code in codes])
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
    assert again["has_error"].to_list() == [in_object and code not in ZEROS for code in codes]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_around_a_code_is_taken_off_once(tmp_path: Path, kind: str) -> None:
    usual = {**USUAL["call_logs"], "error_code": '="="0""'}
    outcome = read(
        tmp_path, "call_logs", "canonical", kind, contents("call_logs", "canonical", kind, [usual])
    )
    assert [row["error_code"] for row in outcome.rows.values()] == ['="0"']
    assert verified(tmp_path, "call_logs", "canonical", kind)["error_code"].is_not_null().all()


@pytest.mark.parametrize(
    "zero",
    [
        *("0", "0.0::double", "-0.0::double", "0.00::decimal(9, 2)", "0::utinyint"),
        *("'nan'::double", "'nan'::float", "0.0::float"),
    ],
)
@pytest.mark.parametrize("field", ["apiErrorCode", "errorCode"])
def test_zero_in_a_column_of_numbers_is_no_error(tmp_path: Path, field: str, zero: str) -> None:
    content = parquet_of(
        tmp_path,
        f'\'r-1234567890\' as "requestID", 1772416800 as "eventTime",'
        " {'accountId': '1', 'principalId': '2'} as \"userIdentity\","
        f' \'SearchByText\' as "eventName", {zero} as "{field}"',
    )
    outcome = read(tmp_path, "call_logs", "cloudaudit", "parquet", content)
    assert [row["error_code"] for row in outcome.rows.values()] == [None]
    assert verified(tmp_path, "call_logs", "cloudaudit", "parquet")["error_code"].to_list() == [
        None
    ]


def parquet_of(folder: Path, columns: str) -> bytes:
    path = folder / "written.parquet"
    duckdb.execute(f"copy (select {columns}) to '{path}' (format parquet)")
    return path.read_bytes()


# --- times ---------------------------------------------------------------------------------------

TEN_O_CLOCK = datetime(2026, 3, 2, 2, tzinfo=UTC)
TIMES = {
    "1772416800": TEN_O_CLOCK,
    "1772416800123": TEN_O_CLOCK.replace(microsecond=123000),
    "1772416800123456": TEN_O_CLOCK.replace(microsecond=123456),
    "1772416800123456.9": TEN_O_CLOCK.replace(microsecond=123456),
    "1772416800123456789": TEN_O_CLOCK.replace(microsecond=123456),
    "2026-03-02T10:00:00,123+08:00": TEN_O_CLOCK.replace(microsecond=123000),
    "2000-01-01T00:00:00Z": datetime(2000, 1, 1, tzinfo=UTC),
}
NO_TIMES = [
    *("0", "0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z", "46266.4167", "20260901", "-1"),
    *("1999-12-31T23:59:59Z", "946684799", "19991231T235959Z", "17724168001234567890"),
    *("2000-01-01T00:00:00+08:00", "-1772416800123456789"),
]


@pytest.mark.parametrize("feed", ["call_logs", "account_events"])
@pytest.mark.parametrize("kind", KINDS)
def test_times(tmp_path: Path, feed: str, kind: str) -> None:
    field = "called_at" if feed == "call_logs" else "occurred_at"
    lines = [{**USUAL[feed], field: text} for text in (*TIMES, *NO_TIMES)]
    content = contents(feed, "canonical", kind, lines)
    outcome = read(tmp_path, feed, "canonical", kind, content)
    assert outcome.times == sorted(TIMES.values())
    first = 1 + len(TIMES) + (kind == "csv")
    assert outcome.reasons == dict.fromkeys(range(first, first + len(NO_TIMES)), f"invalid_{field}")
    if feed == "call_logs":
        for text, expected in TIMES.items():
            assert (
                instant(text, None, 2) == int(expected.timestamp()) * 10**6 + expected.microsecond
            )
        for text in NO_TIMES:
            assert (instant(text, None, 2) or FIRST_INSTANT) < FIRST_CALLS[2]


@pytest.mark.parametrize("fraction", [",123", ".123", ""])
def test_a_cloudaudit_time_without_offset_is_in_the_billing_timezone(
    tmp_path: Path, fraction: str
) -> None:
    line = {**USUAL["call_logs"], "called_at": f"2026-03-02 10:00:00{fraction}"}
    content = contents("call_logs", "cloudaudit", "json", [line])
    outcome = read(tmp_path, "call_logs", "cloudaudit", "json", content)
    [row] = outcome.rows.values()
    expected = TEN_O_CLOCK.replace(microsecond=123000 if fraction else 0)
    assert row["called_at"] == expected
    assert instant(line["called_at"], ZoneInfo("Asia/Shanghai"), 2) == microseconds(expected)


def microseconds(time: datetime) -> int:
    return int(time.timestamp()) * 10**6 + time.microsecond


# --- headers -------------------------------------------------------------------------------------


def header_and_row(feed: str, shape: str) -> tuple[list[str], list[str]]:
    mapped = shape_of(feed, shape).fields
    line = {field: value for field, value in USUAL[feed].items() if field in mapped}
    names = [path_of(feed, shape, field, "csv") for field in line]
    return names, [str(value) for value in line.values()]


def csv_of(names: list[str], row: list[str]) -> bytes:
    return (",".join(names) + "\n" + ",".join(row) + "\n").encode()


HEADERS = pytest.mark.parametrize(("feed", "shape"), SHAPES)
AROUND_NAMES = ["%", " %", "%\t", "\ufeff%", "%\u200b", "\u00a0%\u3000"]


@HEADERS
def test_headers_that_load(tmp_path: Path, feed: str, shape: str) -> None:
    names, row = header_and_row(feed, shape)
    others = [
        *([style(name) for name in names] for style in (str.upper, str.lower, str.title)),
        *(
            [around.replace("%", name) for name, around in zip(names, cycle(AROUND_NAMES[n:]))]
            for n in range(2)
        ),
    ]
    files = [csv_of(some, row) for some in others]
    files += [
        csv_of([*names, *more], [*row, *("x" for _ in more)])
        for more in ([""], ["", ""], ["tag", "tag"], ["tag", "Tag"], ["备注", "备注", ""])
    ]
    for content in files:
        outcome = read(tmp_path, feed, shape, "csv", content)
        assert (outcome.unreadable, outcome.reasons, len(outcome.rows)) == (None, {}, 1), content
        if feed in ("call_logs", "contracts"):
            again = verified(tmp_path, feed, shape, "csv")
            assert again["owner_uin"].to_list() == ["100000000081"]


@HEADERS
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_that_occurs_twice_rejects_the_file(
    tmp_path: Path, feed: str, shape: str, kind: str
) -> None:
    names, row = header_and_row(feed, shape)
    for position, name in enumerate(names):
        for again in (name, name.upper(), name.title()):
            if kind == "parquet" and again == name:
                continue
            twice, values = [*names, again], [*row, row[position]]
            content = (
                csv_of(twice, values)
                if kind == "csv"
                else parquet_bytes(pl.DataFrame([values], schema=twice, orient="row"))
            )
            outcome = read(tmp_path, feed, shape, kind, content)
            assert outcome.rows == {}
            if again == name or again.lower() != name.lower():
                expected = f"has the column {name} twice"
            else:
                expected = f"has the columns {name} and {again}, which are one"
            assert outcome.unreadable is not None
            assert outcome.unreadable.startswith(expected), again


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    sink = io.BytesIO()
    frame.write_parquet(sink)
    return sink.getvalue()


def test_a_struct_field_and_a_column_of_its_path_are_one(tmp_path: Path) -> None:
    content = parquet_of(
        tmp_path,
        "{'RequestId': 'r'} as \"Response\", 's' as \"response.requestid\","
        " 1772416800 as called_at, '1' as owner_uin, 'a' as action",
    )
    outcome = read(tmp_path, "call_logs", "envelope", "parquet", content)
    assert outcome.unreadable is not None
    assert "Response.RequestId and response.requestid" in outcome.unreadable


@HEADERS
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_header_without_a_required_column_is_shown_whole(
    tmp_path: Path, feed: str, shape: str, kind: str
) -> None:
    names, row = header_and_row(feed, shape)
    of_field = {path_of(feed, shape, field, kind): field for field in USUAL[feed]}
    for alternatives in feeds()[feed].required:
        if "http_status" in alternatives and shape != "canonical":
            continue
        off = [f"x_{name}" if of_field[name] in alternatives else name for name in names]
        values = row
        content = (
            csv_of(off, values)
            if kind == "csv"
            else parquet_bytes(pl.DataFrame([values], schema=off, orient="row"))
        )
        outcome = read(tmp_path, feed, shape, kind, content)
        assert outcome.rows == {}
        assert outcome.unreadable is not None
        assert outcome.unreadable.startswith(f"has no column for {alternatives[0]}")
        assert outcome.unreadable.endswith(f"its columns are {', '.join(off)}")


@pytest.mark.parametrize(
    ("encoding", "sentence"),
    [("gbk", "GBK"), ("gb18030", "GBK"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"),
     ("utf-16-be", "UTF-16"), ("utf-32", "UTF-16"), ("latin-1", "is not UTF-8")],
)  # fmt: skip
def test_a_csv_file_in_another_encoding_has_its_own_sentence(
    tmp_path: Path, encoding: str, sentence: str
) -> None:
    names, row = header_and_row("account_events", "canonical")
    content = csv_of([*names, "é" if encoding == "latin-1" else "备注"], [*row, "x"])
    outcome = read(
        tmp_path, "account_events", "canonical", "csv", content.decode().encode(encoding)
    )
    assert outcome.unreadable is not None
    assert sentence in outcome.unreadable


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_lines_of_json_in_utf_16_are_one_unreadable_file(tmp_path: Path, encoding: str) -> None:
    [line] = numbered("call_logs", [USUAL["call_logs"]])
    content = contents("call_logs", "canonical", "json", [line, line])
    outcome = read(tmp_path, "call_logs", "canonical", "json", content.decode().encode(encoding))
    assert outcome.unreadable == "is not UTF-8 but UTF-16: save it as UTF-8"
    assert (outcome.rows, outcome.reasons) == ({}, {})


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("blank", [" ", "\t", "\r", " \t \v", ""])
@pytest.mark.parametrize("beside_bad", [False, True])
def test_a_blank_behind_a_byte_order_mark_is_left_out(
    tmp_path: Path, blank: str, threads: int, *, beside_bad: bool
) -> None:
    """However many threads read the file, and whatever else is in it."""
    lines = contents("call_logs", "canonical", "json", numbered("call_logs", [USUAL["call_logs"]]))
    content = f"\ufeff{blank}".encode() + lines + b"x\n" * beside_bad
    outcome = read(tmp_path, "call_logs", "canonical", "json", content, threads=threads)
    [row] = outcome.rows.values()
    assert row["request_id"] == USUAL["call_logs"]["request_id"]
    assert outcome.reasons == ({2: "invalid_json"} if beside_bad else {})
    again = verified(tmp_path, "call_logs", "canonical", "json")
    assert again["malformed"].to_list() == [False, True][: 1 + beside_bad]


def test_a_blank_behind_a_byte_order_mark_keeps_its_verdict_of_before(tmp_path: Path) -> None:
    """Version 1 of the rules, beside a bad line."""
    lines = contents("call_logs", "canonical", "json", [USUAL["call_logs"]])
    content = "\ufeff ".encode() + lines + b"x\n"
    outcome = read(tmp_path, "call_logs", "canonical", "json", content, reading_rules=1)
    assert outcome.reasons == {1: "not_an_object", 2: "invalid_json"}
    again = verified(tmp_path, "call_logs", "canonical", "json", reading_rules=1)
    assert again["malformed"].to_list() == [True, True]


def test_zeros_in_front_of_a_line_of_json_cost_that_line_alone(tmp_path: Path) -> None:
    """A log that is cut off while it is written goes on behind zeros."""
    [line] = numbered("call_logs", [USUAL["call_logs"]])
    content = contents("call_logs", "canonical", "json", [line, line])
    outcome = read(tmp_path, "call_logs", "canonical", "json", bytes(9) + content)
    assert outcome.unreadable is None
    assert (len(outcome.rows), outcome.reasons) == (1, {1: "invalid_json"})


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "compressed with gzip": gzip.compress,
    "compressed with zstd": zstandard.compress,
    "compressed with bzip2": bz2.compress,
    "a .zip or a workbook": lambda content: _zip_of("calls", content),
}


def _zip_of(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize("kind", ["json", "csv"])
@pytest.mark.parametrize("what", PACKED)
def test_a_packed_file_under_the_name_of_a_text_is_one_unreadable_file(
    tmp_path: Path, what: str, kind: str
) -> None:
    lines = numbered("call_logs", [USUAL["call_logs"]] * 40)
    content = PACKED[what](contents("call_logs", "canonical", kind, lines))
    outcome = read(tmp_path, "call_logs", "canonical", kind, content)
    assert outcome.unreadable == f"is {what}, which its name does not say: deliver it unpacked"
    assert (outcome.rows, outcome.reasons) == ({}, {})


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: text.decode().encode("utf-16-le")])
def test_lines_that_a_release_counts_of_what_is_no_text_stay_lines(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    """Or a warehouse could not be made anew from that release."""
    content = pack(
        contents("call_logs", "canonical", "json", numbered("call_logs", [USUAL["call_logs"]]))
    )
    rejected = LineSelection(frozenset(range(1, 9)), only=True)
    outcome = read(tmp_path, "call_logs", "canonical", "json", content, rejected=rejected)
    assert outcome.unreadable is None
    assert outcome.reasons


# --- Parquet -------------------------------------------------------------------------------------


def test_types_that_nobody_maps_stop_nothing(tmp_path: Path) -> None:
    usual = ", ".join(f"'{value}' as {field}" for field, value in USUAL["call_logs"].items())
    usual = usual.replace(f"'{USUAL['call_logs']['request_id']}'", "uuid() ")
    for odd in (
        *("interval 3 day", "1::variant", "'101'::bit", "uuid()", "'{}'::json", "1::hugeint"),
        *("{'a': interval 1 day}", "[uuid()]", "timetz '10:00:00+02'", "'x'::blob", "null"),
        *("map {'a': 1}", "union_value(k := 1)", "1.5::decimal(38, 10)", "'a'::enum('a')"),
    ):
        content = parquet_of(tmp_path, f"{usual}, {odd} as note")
        outcome = read(tmp_path, "call_logs", "canonical", "parquet", content)
        [row] = outcome.rows.values()
        again = verified(tmp_path, "call_logs", "canonical", "parquet")
        assert again["request_id"].to_list() == [row["request_id"]], odd
        assert again["malformed"].to_list() == [False]


CHECKSUMS = Path(__file__).parents[2] / "fixtures" / "parquet_with_checksums"


@pytest.mark.parametrize("path", sorted(CHECKSUMS.glob("*.parquet")), ids=lambda path: path.stem)
def test_a_flipped_bit_in_a_page_with_a_checksum_rejects_the_file(
    tmp_path: Path, path: Path
) -> None:
    content = path.read_bytes()
    outcome = read(tmp_path, "call_logs", "canonical", "parquet", content)
    assert (outcome.unreadable, len(outcome.rows)) == (None, 300)
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    right = outcome.rows
    for position in range(4, footer, footer // 25):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        outcome = read(tmp_path, "call_logs", "canonical", "parquet", bytes(flipped))
        # A bit of a header that no reader looks at can be another, such as one of its statistics.
        assert outcome.unreadable is not None or outcome.rows == right, position
