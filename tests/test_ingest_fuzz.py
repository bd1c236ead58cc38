"""A file that is clean is read whole, at the engine's speed; one that is not, line by line.

Whichever way it is read, a line must come out the same, and none may be lost. First lines picked
by hand, then some that Hypothesis writes, most of them damaged: each is loaded as a file of its
own, to see whether it is clean enough to be read whole, and once more beside a line that has its
file read line by line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.landing_files import (
    OWNER,
    Loaded,
    csv_file,
    json_lines,
    load,
    parquet_file,
    record,
)

DAY = "arrived_on=2026-03-03"
CANONICAL, IN_ENVELOPES = f"call_logs/{DAY}", f"call_logs/format=envelope/{DAY}"

# --- picked by hand ----------------------------------------------------------------------------

# `%` stands for what every line needs.
NEEDED = (
    '"request_id": "r", "called_at": "2026-03-02T10:00:00+08:00", "owner_uin": "1",'
    ' "action": "SearchByText", "http_status": 200'
)
FRACTIONS = (
    *("1.0", "1.50", "-0.0", "1e3", "1E+3", "1e-3", "0.1", "1e15", "1e16", "1e22", "-1e22", "1e-5"),
    *("1e-7", "1.5e-7", "1e300", "5e-324", "1e400", "0.000001", "1.5", "2.5", "2147483648.0"),
    *("123456789012345680000.0", "1772416800.123456", "NaN", "Infinity", "-Infinity"),
)
CLEAN_LINES = {
    "blanks and order": (
        "{%}",
        "  {%}  ",
        "\t{ % }\t",
        "{%}\r",
        "\r{%}",
        "\x0b{%}\x0c",
        '{"region": "first", %}',
        '{%,"region":"packed"}',
        '{%   ,   "region"  :  "wide"   }',
        "{%,}",
    ),
    "numbers": tuple(
        f'{{%, "{name}": {number}}}'
        for name in ("region", "error_code", "latency_ms", "operate_uin")
        for number in (
            *("0", "-0", "1", "-1", "9007199254740993", "12345678901234567890"),
            "123456789012345678901234567890",
        )
    )
    + tuple(f'{{%, "latency_ms": {number}}}' for number in FRACTIONS),
    "texts": tuple(
        f'{{%, "{name}": {text}}}'
        for name in ("region", "error_code", "operate_uin", "latency_ms")
        for text in (
            *('"1"', '"-0"', '"1e3"', '"007"', '" "', '" x "', '"null"', '"NULL"', '"nan"'),
            *('"é"', '"\\u00e9"', '"e\\u0301"', '"\\ud83d\\ude00"', '"😀"', '"文搜图"', '"\u2028"'),
            *('"\\u0000"', '"a\\u0000b"', '"\\n"', '"\\t"', '"\\r"', '"\\/"', '"\\""', '"\\\\"'),
            *('"\ufeff"', '"\x7f"', '"\u00a0"', '"\ufffe"', '"{"', '"]"', '"a,b"', '"it\'s"'),
            *('"0x10"', '"1_000"', '" 5"', '"5 "', '"+5"', '"١"', '""', "null"),
        )
        if (text != '"{"' or name == "latency_ms") and (text != '"+5"' or name != "operate_uin")
    ),
    "times": tuple(
        f'{{"request_id": "r", "called_at": {said}, "owner_uin": "1", "action": "a",'
        ' "http_status": 200}'
        for said in (
            *('"2026-03-02T10:00:00Z"', '"2026-03-02 10:00:00.5+0800"', '"20260302T100000Z"'),
            *("1772416800", '"1772416800"', "1772416800.5", "1.7724168e9", "1772416800123"),
            *('"1772416800.1234567"', "0", "-0", "-1", '"2026-03-02T24:00:00+08:00"'),
        )
    ),
    "required fields": (
        '{"request_id": 1, "called_at": 1772416800, "owner_uin": 2, "action": 3, "http_status": 4}',
        '{"request_id": -0, "called_at": 0, "owner_uin": -0, "action": 1e3, "http_status": 2e2}',
        '{"request_id": "\\u0031", "called_at": "1772416800", "owner_uin": "\\u0031",'
        ' "action": "\\u0061", "http_status": "\\u0032\\u0030\\u0030"}',
        '{"\\u0072equest_id": "r", "called_at": 1772416800, "owner_uin": "1", "action": "a",'
        ' "http_status": "200.0"}',
        '{"request_id": " r ", "called_at": 1772416800, "owner_uin": " ", "action": " ",'
        ' "http_status": "+200"}',
    ),
    "ignored fields": (
        '{%, "x": NaN}',
        '{%, "x": -Infinity}',
        '{%, "x": 1e999}',
        '{%, "x": [1, 2, {"request_id": "other", "a": []}]}',
        '{%, "x": {"owner_uin": "2", "x": {"x": null}}}',
        '{%, "x": [1, 2,]}',
        '{%, "x": "\\u0000", "y": "\\ud83d\\ude00"}',
        '{%, "x": true, "Query": "teapot"}',
        '{%, "x": 123456789012345678901234567890123456789012345678901234567890}',
        '{%, "x": ' + "[" * 500 + "]" * 500 + "}",
        '{%, "x": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}",
        '{%, "x": "' + "y" * 100_000 + '"}',
        '{%, "x": 1, "x": 2}',
        '{%, "": 1, "": 2}',
        '{%, "x": 1, "\\u0078": 2}',
        '{%, "x": {"a": 1, "a": 2}}',
        '{%, "Region": "upper"}',
        '{%, "Owner_UIN": "2", "ERROR_CODE": "X", "Http_Status": 500}',
        '{%, "region ": "blank", " region": "blank", "region.x": 1, "$.region": 2}',
        '{%, "region\\u0000": "x"}',
        '{%, "latency_ms": true}',
        '{%, "latency_ms": [1]}',
        '{%, "latency_ms": {"a": 1}}',
    ),
}
# Whichever way these are read, they must not be read two ways.
ODD_LINES = (
    *(f'{{%, "{name}": {n}}}' for name in ("region", "error_code") for n in FRACTIONS),
    *(
        f'{{"request_id": {n}, "called_at": {n}, "owner_uin": "1", "action": {n},'
        ' "http_status": 200}'
        for n in FRACTIONS
    ),
    *(f'{{%, "region": {odd}}}' for odd in ("true", "[]", "{}", '"true"', '"[x"', '"{x"', '"["')),
    *(f'{{%, "error_code": {odd}}}' for odd in ("false", "[1]", '{"a": 1}', '"false"', '"{}"')),
    *("{%,,}", "{,%}", "{%", "%}", "{%} x", "{%}{%}", "{%},", "[{%}]", "// {%}", "{%, x: 1}"),
    *('{%, "x": "\\ud800"}', '{%, "x": 01}', '{%, "x": +1}', '{%, "x": .5}', '{%, "x": tru}'),
    *('{%, "x": "a\tb"}', '{%, "x": "\x00"}', "{%}\x00", "{%}\ufeff", "\u00a0{%}"),
    *('{%, "region": "a", "region": "a"}', '{%, "region": null, "region": "a"}'),
    *('{%, "region": "a", "\\u0072egion": "b"}', '{"request_id": null, %}'),
    *("null", "1", '"x"', "{}", "[]", "NaN"),
)
ENVELOPE_ENDS = (
    '{"RequestId": "r"}',
    '{"RequestId": 5, "Error": null}',
    '{"RequestId": "r", "Error": {"Code": "X", "Message": ["m"]}}',
    '{"RequestId": "r", "Error": {"Code": 1}}',
    '{"RequestId": "r", "error": {"Code": "X"}, "Images": [{"RequestId": "s"}]}',
    '{"RequestId": "r", "x": 1, "x": 2}',
    '{"RequestId": "r", "Error": {"Code": "X", "y": 1, "y": 2}}',
    '{"RequestId": "r"}, "Response.RequestId": "s", "error_code": "X", "http_status": 500',
)
ODD_ENVELOPE_ENDS = (
    *('{"RequestId": "r", "Error": {}}', '{"RequestId": "r", "Error": {"Code": null}}'),
    *('{"RequestId": "r", "Error": ""}', '{"RequestId": "r", "Error": []}'),
    *('{"RequestId": "r", "Error": {"Code": true}}', '{"RequestId": "r", "RequestId": "r"}'),
    *('{"RequestId": {}}', "null", '"x"', "[]", '"{}"', '{"RequestId": "r"}, "Response": null'),
)


def envelope_line(end: str) -> str:
    return (
        '{"called_at": "2026-03-02T10:00:00+08:00", "owner_uin": "1", "action": "a",'
        f' "Response": {end}}}'
    )


CSV_NAMES = "request_id,called_at,owner_uin,action,http_status,region,error_code,latency_ms,note\n"
CSV_NEEDED = "r,2026-03-02T10:00:00+08:00,1,a,200"
CLEAN_CSV = (
    f"{CSV_NEEDED},,,,end\n",
    f"{CSV_NEEDED},,,,end",
    f"{CSV_NEEDED}, , x ,5,end\n",
    f"{CSV_NEEDED},é😀文,\u00a0,007,end\n",
    f"{CSV_NEEDED},NULL,null,\\N,end\n",
    f'{CSV_NEEDED},"quoted","a""b","1",end\n',
    f'{CSV_NEEDED},"a,b","a\nb","5",end\n',
    f'{CSV_NEEDED},"a\r\nb","",,end\n',
    f"{CSV_NEEDED},it's,\\,a\\b,end\n",
    f"{CSV_NEEDED},[1],{{}},true,end\n",
    f"{CSV_NEEDED},#,;,|,end\n",
    f"{CSV_NEEDED},\x01,\x7f,\x0b,end\n",
    '"r","2026-03-02T10:00:00+08:00","1","a","200","","","","end"\n',
)
ODD_CSV = (
    f"{CSV_NEEDED},,,,\n",
    f"{CSV_NEEDED},,,,end\r\n",
    f"{CSV_NEEDED},,,,end,\n",
    f"{CSV_NEEDED},,,,end,,\n",
    f"{CSV_NEEDED},,,\n",
    f'{CSV_NEEDED},,,,,,"a""b"\n',
    f'{CSV_NEEDED},,,,,"",""\n',
    f'{CSV_NEEDED},,,,"end" \n',
    f'{CSV_NEEDED},,,, "end"\n',
    f'{CSV_NEEDED},,,,"end"x\n',
    f'{CSV_NEEDED},,,,en"d\n',
    f'{CSV_NEEDED},,,,"end\n',
    f'{CSV_NEEDED},,,,"end',
    f'{CSV_NEEDED},,,,"""\n',
    f'{CSV_NEEDED},,,,"""',
    f'{CSV_NEEDED},,,,"end""\n',
    f'{CSV_NEEDED},,,,"end\\"\n',
    f'{CSV_NEEDED},"reg,,,end\n',
    f'"{CSV_NEEDED},,,,end\n',
    f'{CSV_NEEDED},,,,"\n',
    f"{CSV_NEEDED},,,,e\rnd\n",
    f"{CSV_NEEDED},,,,end\r",
    f"\n\n{CSV_NEEDED},,,,end\n",
    f"  \n{CSV_NEEDED},,,,end\n\t\n",
    f"{CSV_NEEDED},,,,end\n,,,,,,,,\n",
    f'{CSV_NEEDED},,,,end\n""\n',
    f"{CSV_NEEDED},,,,e\x00nd\n",
    f"{CSV_NEEDED},\x00,,,end\n",
    f"{CSV_NEEDED},,,,".encode() + b"\xff\n",
    f"{CSV_NEEDED},".encode() + b"\xc3,,,end\n",
    f"{CSV_NEEDED},,,,".encode() + b'"\xed\xa0\x80"\n',
    f"{CSV_NAMES}{CSV_NEEDED},,,,end\n",
)

# By name: whether its files are read whole, the folder, and what lies in the files.
GROUPS: dict[str, tuple[bool, str, list[bytes]]] = {
    **{
        name: (True, CANONICAL, [json_lines(line.replace("%", NEEDED)) for line in some])
        for name, some in CLEAN_LINES.items()
    },
    "odd lines": (False, CANONICAL, [json_lines(line.replace("%", NEEDED)) for line in ODD_LINES]),
    "envelopes": (True, IN_ENVELOPES, [json_lines(envelope_line(end)) for end in ENVELOPE_ENDS]),
    "odd envelopes": (
        False,
        IN_ENVELOPES,
        [json_lines(envelope_line(end)) for end in ODD_ENVELOPE_ENDS],
    ),
    "csv": (True, CANONICAL, [json_lines(text, end=b"") for text in CLEAN_CSV]),
    "odd csv": (False, CANONICAL, [json_lines(text, end=b"") for text in ODD_CSV]),
}


def both_ways(name: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Files of a group as they are, and with a line that has them read line by line."""
    _, folder, contents = GROUPS[name]
    ending = "csv" if "csv" in name else "jsonl"
    header, spoiler = (CSV_NAMES.encode(), b"x\n") if ending == "csv" else (b"", b"[]\n")
    alone = {
        f"{folder}/{name}/alone-{n:03d}.{ending}": header + content
        for n, content in enumerate(contents)
    }
    if ending == "csv":
        # What is open at the end of one record would swallow the next.
        spoilt = {
            path.replace("alone", "spoilt"): header + spoiler + content
            for path, content in zip(alone, contents, strict=True)
        }
    else:
        spoilt = {f"{folder}/{name}/spoilt.{ending}": b"".join(contents) + spoiler}
    return alone, spoilt


@pytest.fixture(scope="module")
def loaded_both_ways(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    files: dict[str, bytes] = {}
    for name in GROUPS:
        for some in both_ways(name):
            files |= some
    return load(tmp_path_factory.mktemp("both ways"), files)


@pytest.mark.parametrize("name", GROUPS)
def test_a_line_is_read_the_same_beside_a_bad_one(loaded_both_ways: Loaded, name: str) -> None:
    alone, spoilt = both_ways(name)
    assert loaded_both_ways.records_in(alone) == loaded_both_ways.records_in(spoilt)
    reasons = loaded_both_ways.reasons_in(spoilt)
    for _ in spoilt:
        reasons.remove("wrong_number_of_columns" if "csv" in name else "not_an_object")
    assert loaded_both_ways.reasons_in(alone) == reasons
    assert spoilt.keys() <= loaded_both_ways.read_line_by_line


@pytest.mark.parametrize("name", [name for name, (is_clean, *_) in GROUPS.items() if is_clean])
def test_clean_files_are_read_whole(loaded_both_ways: Loaded, name: str) -> None:
    """Otherwise the comparison would compare one way with itself."""
    alone, _ = both_ways(name)
    contents = {path: alone[path] for path in alone.keys() & loaded_both_ways.read_line_by_line}
    assert contents == {}
    assert all(loaded_both_ways.counts[path][0] == 1 for path in alone)


# --- much beside a bad line --------------------------------------------------------------------


def test_long_lines_beside_a_bad_one(tmp_path: Path) -> None:
    """Answers are logged with their pictures' addresses: lines of some kilobytes, in great numbers,
    must not take more memory than the run has."""
    lines = [record(f"long/{n}", Images="y" * 10_000) for n in range(4_000)]
    path = f"{CANONICAL}/a.jsonl"
    loaded = load(tmp_path, {path: json_lines(*lines, "[]")})
    assert loaded.counts[path] == (4_001, 4_000, 1)


def test_a_very_long_line_stops_nothing(tmp_path: Path) -> None:
    path = f"{CANONICAL}/a.jsonl"
    lines = [record("before"), record("long", Images="y" * 20_000_000), record("after")]
    loaded = load(tmp_path, {path: json_lines(*lines)})
    read, accepted, rejected = loaded.counts[path]
    assert read == accepted + rejected == 3
    assert {row[0] for row in loaded.records[path]} >= {"before", "after"}


def test_files_of_one_size_are_not_taken_for_one_another(tmp_path: Path) -> None:
    """Two files read line by line one after the other, in all the ways their sizes may differ."""
    files, expected = {}, {}
    for pad in range(112, 132):
        first, second = f"{CANONICAL}/{pad}-a.jsonl", f"{CANONICAL}/{pad}-b.jsonl"
        files[first] = json_lines("[]", record(f"{pad}a"), record(f"{pad}b", x="q" * pad))
        files[second] = json_lines("[]", *(record(f"{pad}{letter}") for letter in "cde"))
        expected |= {first: [f"{pad}a", f"{pad}b"], second: [f"{pad}c", f"{pad}d", f"{pad}e"]}
    loaded = load(tmp_path, files)
    assert {path: sorted(row[0] for row in loaded.records[path]) for path in files} == expected


def test_a_quote_that_is_never_closed_loses_nothing(tmp_path: Path) -> None:
    """However many files are read beside the one that has it: it may have been cut off."""
    header = "request_id,called_at,owner_uin,action,http_status\n"
    others = 2 * (os.cpu_count() or 1) + 8
    rest = f"2026-03-02T10:00:00Z,{OWNER},SearchByText,200"
    files = {f"{CANONICAL}/{n:03d}.csv": f"{header}{n},{rest}\n".encode() for n in range(others)}
    cut_off = f"{CANONICAL}/cut-off.csv"
    files[cut_off] = f'{header}a,{rest}\n"b,{rest}\nc,{rest}\n'.encode()
    loaded = load(tmp_path, files)
    assert loaded.counts.pop(cut_off) == (3, 2, 1)
    assert loaded.rejects[cut_off] == [(3, "malformed_csv")]
    assert set(loaded.counts.values()) == {(1, 1, 0)}


@pytest.mark.parametrize("pad", range(3))
def test_letters_of_several_bytes_in_a_bad_line_stop_nothing(tmp_path: Path, pad: int) -> None:
    """DuckDB quotes a line that it cannot read, and may cut the quotation within a letter."""
    text = "y" * pad + "文搜图" * 40
    lines = [
        envelope_line(f'"{text}"'),
        envelope_line(f'{{"RequestId": "r", "Error": {{"Code": "{text}", "Code": "{text}"}}}}'),
        envelope_line(f'{{"RequestId": "r", "x": "{text}"'),
        envelope_line('{"RequestId": "good"}'),
    ]
    # Alone and together: each is a statement of its own.
    files = {f"{IN_ENVELOPES}/{n}.jsonl": json_lines(line) for n, line in enumerate(lines)}
    together = f"{IN_ENVELOPES}/together.jsonl"
    files[together] = json_lines(*lines)
    loaded = load(tmp_path, files)
    assert loaded.rejects[together] == [
        (1, "invalid_structure"),
        (2, "duplicate_key"),
        (3, "invalid_json"),
    ]
    assert sorted(loaded.counts.values()) == [(1, 0, 1)] * 3 + [(1, 1, 0), (4, 1, 3)]


def test_an_error_column_that_is_empty_is_no_error(tmp_path: Path) -> None:
    """In a CSV file, whichever way it is read, and in a Parquet file."""
    names = ("Response.RequestId", "called_at", "owner_uin", "action", "Response.Error")
    row = dict(zip(names, ("r", "2026-03-02T10:00:00Z", "1", "a", ""), strict=True))
    files = {
        f"{IN_ENVELOPES}/clean.csv": csv_file([row]),
        f"{IN_ENVELOPES}/dirty.csv": csv_file([row]) + b"x\n",
        f"{IN_ENVELOPES}/rows.parquet": parquet_file([row]),
    }
    loaded = load(tmp_path, files)
    assert {path: accepted for path, (_, accepted, _) in loaded.counts.items()} == dict.fromkeys(
        files, 1
    )


def test_columns_of_the_readers_own_names_are_ignored(tmp_path: Path) -> None:
    rows = [
        record(str(n), Filename="x", File_Row_Number=7, http_status=None if n == 1 else 200)
        for n in range(4)
    ]
    files = {
        f"{CANONICAL}/clean.parquet": parquet_file(rows[2:]),
        f"{CANONICAL}/dirty.parquet": parquet_file(rows),
    }
    loaded = load(tmp_path, files)
    assert loaded.counts == dict(zip(files, [(2, 2, 0), (4, 3, 1)], strict=True))
    assert loaded.rejects[f"{CANONICAL}/dirty.parquet"] == [(2, "unknown_outcome")]


def test_a_column_of_json_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "json.parquet"
    with duckdb.connect() as con:
        con.execute(
            f"""
            copy (
                select '"q"'::json as request_id, '2026-03-02T10:00:00Z' as called_at,
                    '1' as owner_uin, 'a' as action, 200 as http_status
            ) to '{path}' (format parquet)
            """
        )
    loaded = load(tmp_path / "place", {f"{CANONICAL}/a.parquet": path.read_bytes()})
    assert loaded.rejects[f"{CANONICAL}/a.parquet"] == [(1, "invalid_request_id")]


# --- generated lines of JSON -------------------------------------------------------------------

NAMES = (
    "request_id",
    "called_at",
    "owner_uin",
    "operate_uin",
    "action",
    "region",
    "http_status",
    "error_code",
    "latency_ms",
)
TIMES = (
    '"2026-03-02T10:00:00+08:00"',
    '"2026-03-02T10:00:00Z"',
    '"2026-03-02 10:00:00.123456789+0800"',
    '"2026-03-02T10:00:00"',
    '"2026-03-05T00:00:00+08:00"',
    '"2026-02-30T00:00:00Z"',
    '"20260302T100000Z"',
    "1772416800",
    "1772416800123",
    "1772416800.5",
    '"1772416800"',
    "1e9",
)
WORDS = (
    "",
    " ",
    "a",
    "0",
    "007",
    "1.0",
    "1.5E+11",
    "null",
    "true",
    "[",
    "{",
    "x y",
    "é",
    "文",
    "😀",
)

numbers = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.integers(0, 1000).map(str),
    st.floats().map(json.dumps),
    st.tuples(st.integers(-20, 20), st.sampled_from("eE"), st.integers(-30, 30)).map(
        lambda parts: "".join(map(str, parts))
    ),
)
strings = st.one_of(st.sampled_from(WORDS), st.text(max_size=6)).flatmap(
    lambda text: st.booleans().map(lambda escaped: json.dumps(text, ensure_ascii=escaped))
)
scalars = st.one_of(strings, numbers, st.sampled_from(("null", "true", "false")))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda some: f"[{', '.join(some)}]"),
        st.lists(st.tuples(strings, inner), max_size=3).map(
            lambda some: "{" + ", ".join(f"{name}: {value}" for name, value in some) + "}"
        ),
    ),
    max_leaves=4,
)
# What leaves a line clean, for the most part: only then is there something to compare.
mild = st.one_of(strings, numbers, strings, numbers, strings, numbers, values)
PLAIN = {
    "request_id": '"r"',
    "called_at": TIMES[0],
    "owner_uin": '"100000000081"',
    "action": '"SearchByText"',
    "http_status": "200",
}


def once_in(times: int) -> st.SearchStrategy[bool]:
    return st.integers(1, times).map(lambda drawn: drawn == times)


@st.composite
def objects(draw: st.DrawFn) -> str:
    """An object of a call log: a plain one, with some fields said otherwise, in some order."""
    fields = list(PLAIN.items())
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(NAMES))
        value = draw(st.sampled_from(TIMES) if name == "called_at" else mild)
        fields = [field for field in fields if field[0] != name or draw(once_in(15))]
        fields.append((name, value))
    if draw(once_in(3)):
        extra = draw(st.sampled_from(("x", "Region", "ERROR_CODE", "Query", "", "x")))
        fields.append((extra, draw(values)))
    gap = draw(st.sampled_from(("", " ", "\t", "  ")))
    shuffled = draw(st.permutations(fields))
    said = f",{gap}".join(f'"{name}":{gap}{value}' for name, value in shuffled)
    return f"{gap}{{{said}}}{gap}"


@st.composite
def envelopes(draw: st.DrawFn) -> str:
    inside = [f'"RequestId": {draw(mild)}']
    if draw(st.booleans()):
        error = draw(values) if draw(once_in(8)) else f'{{"Code": {draw(mild)}}}'
        inside.append(f'"Error": {error}')
    if draw(once_in(3)):
        inside.append(f'"{draw(st.sampled_from(("x", "Error", "Images")))}": {draw(values)}')
    response = draw(values) if draw(once_in(8)) else f"{{{', '.join(inside)}}}"
    return f'{{"called_at": {TIMES[0]}, "owner_uin": "1", "action": "a", "Response": {response}}}'


@st.composite
def damaged(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> bytes:
    """A text, perhaps with something cut out, put in, said twice, or some bytes changed."""
    line = draw(texts).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(1, 2)) if draw(once_in(6)) else 0):
        start = draw(st.integers(0, len(line)))
        end = min(len(line), start + draw(st.sampled_from((0, 1, 1, 2, 8, 40))))
        line = draw(
            st.sampled_from(
                (
                    line[:start] + line[end:],
                    line[:end] + line[start:end] + line[end:],
                    line[:start],
                    line[:start] + draw(st.sampled_from(PIECES)) + line[end:],
                    line[:start] + draw(st.binary(min_size=1, max_size=2)) + line[end:],
                    line[:start] + bytes(byte ^ 1 for byte in line[start:end]) + line[end:],
                )
            )
        )
    return line


PIECES = (
    *(b'"', b'""', b"\\", b",", b":", b"{", b"}", b"[", b"]", b"'", b" ", b"\t", b"\r", b"\x00"),
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc2\xa0", b"\\ud800", b"\\u0000"),
    *(b"null", b"NaN", b"-", b"0", b"e5", b".", b"//", b"1e400", b'"x":1', b"\x0b", b"\x1a"),
)

json_texts = st.lists(
    damaged(objects()).map(lambda line: line.replace(b"\n", b" ")),
    min_size=20,
    max_size=20,
    unique=True,
)
envelope_texts = st.lists(
    damaged(envelopes()).map(lambda line: line.replace(b"\n", b" ")),
    min_size=20,
    max_size=20,
    unique=True,
)


def check_lines(place: Path, folder: str, lines: Sequence[bytes]) -> None:
    # A mark at the beginning of a file is no part of its first line.
    lines = [line for line in lines if not line.strip().startswith(b"\xef\xbb\xbf")]
    alone = {f"{folder}/{n:02d}.jsonl": line + b"\n" for n, line in enumerate(lines)}
    whole = load(place, alone, line_by_line=False)
    read_whole = [path for path in alone if path not in whole.read_line_by_line]
    refused = [path for path in alone if path in whole.read_line_by_line]

    files = {
        f"{folder}/clean.jsonl": b"".join(alone[path] for path in read_whole) + b"[]\n",
        f"{folder}/other.jsonl": b"[]\n" + b"".join(alone[path] for path in refused),
    }
    beside = load(place, files)
    clean, other = files
    assert only_in_one(whole.records_in(read_whole), beside.records_in([clean])) == []
    assert [why for _, why in beside.rejects[clean]] == ["not_an_object"]

    blank = sum(not alone[path].strip() for path in read_whole)
    assert beside.counts[clean] == (
        len(read_whole) - blank + 1,
        len(read_whole) - blank,
        1,
    )
    assert_nothing_lost(beside, other, lines=[b"[]", *(alone[path] for path in refused)])
    reasons = dict(beside.rejects[other])
    for number, path in enumerate(refused, 2):
        if is_an_object(alone[path]):
            assert reasons.get(number) not in ("invalid_json", "not_an_object"), alone[path]


def only_in_one(some: list[tuple], others: list[tuple]) -> list[tuple]:
    return [row for row in (*some, *others) if some.count(row) != others.count(row)]


def is_an_object(line: bytes) -> bool:
    """Whether another reader takes a line for an object of texts that can be written down."""
    try:
        said = json.loads(line.decode())
        json.dumps(said, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict)


def assert_nothing_lost(loaded: Loaded, path: str, lines: Sequence[bytes]) -> None:
    read, accepted, rejected = loaded.counts[path]
    assert read == sum(bool(line.strip()) for line in lines)
    assert accepted == len(loaded.records[path])
    assert rejected == len(loaded.rejects[path]) == read - accepted
    not_blank = {number for number, line in enumerate(lines, 1) if line.strip()}
    assert {number for number, _ in loaded.rejects[path]} <= not_blank


# --- generated CSV files -----------------------------------------------------------------------

HEADER = b"request_id,called_at,owner_uin,action,http_status,region,note\n"
cells = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(WORDS).map(lambda text: f'"{text}"'),
    st.sampled_from(('"a,b"', '"a\nb"', '"a\r\nb"', '"a""b"', '"', '"""', ' "a"', '"a" ', 'a"b')),
    st.text("ab\"',; \t\r\n\\", max_size=4),
)
ends = st.sampled_from(("\n",) * 20 + ("\r\n", "\n\n", "", "\r"))


@st.composite
def csv_records(draw: st.DrawFn) -> str:
    row = ["r", "2026-03-02T10:00:00Z", "1", "a", "200", "reg", "note"]
    for _ in range(draw(st.integers(0, 2)) if draw(once_in(2)) else 0):
        row[draw(st.sampled_from((0, 2, 5, 5, 6, 6, 6)))] = draw(cells)
    return ",".join(row) + draw(ends)


csv_texts = st.lists(
    damaged(st.lists(csv_records(), min_size=1, max_size=3).map("".join)),
    min_size=20,
    max_size=20,
    unique=True,
)


def check_csv(place: Path, contents: Sequence[bytes]) -> None:
    alone = {f"{CANONICAL}/{n:02d}.csv": HEADER + text for n, text in enumerate(contents)}
    whole = load(place, alone, line_by_line=False)
    # What is open at the end of one record must not swallow another: the spoiling line comes first.
    spoilt = {path: HEADER + b"x\n" + alone[path].removeprefix(HEADER) for path in alone}
    beside = load(place, spoilt)
    for path, content in alone.items():
        records, rejects = beside.records_in([path]), list(beside.rejects[path])
        rejects.remove((2, "wrong_number_of_columns"))
        if path not in whole.read_line_by_line:
            assert whole.records_in([path]) == records, content
            assert rejects == [], content
        if b'"' not in content and b"\r" not in content:
            lines = [
                line for line in content.split(b"\n")[1:] if line.decode(errors="replace").strip()
            ]
            assert beside.counts[path][0] == len(lines) + 1, content
        assert beside.counts[path][0] == len(records) + len(rejects) + 1, content


# --- runs --------------------------------------------------------------------------------------

# Examples are lists of 20. What differs is named where it does: making a failing list smaller would
# take minutes.
some = settings(
    max_examples=4,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
many = settings(some, max_examples=500)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture
def tried(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Iterator[list[int]]:
    """How much was tried of what, for the page on reliability."""
    numbers: list[int] = []
    yield numbers
    record_property("tried", request.function.__doc__)
    record_property("times", sum(numbers))


@some
@given(lines=json_texts)
def test_lines(place: Path, lines: list[bytes]) -> None:
    check_lines(place, CANONICAL, lines)


@some
@given(lines=envelope_texts)
def test_envelopes(place: Path, lines: list[bytes]) -> None:
    check_lines(place, IN_ENVELOPES, lines)


@some
@given(contents=csv_texts)
def test_csv(place: Path, contents: list[bytes]) -> None:
    check_csv(place, contents)


@pytest.mark.long
@many
@given(lines=json_texts)
def test_many_lines(place: Path, tried: list[int], lines: list[bytes]) -> None:
    """lines of JSON, by both ways of reading"""
    tried.append(len(lines))
    check_lines(place, CANONICAL, lines)


@pytest.mark.long
@many
@given(lines=envelope_texts)
def test_many_envelopes(place: Path, tried: list[int], lines: list[bytes]) -> None:
    """an SDK's envelopes, by both ways of reading"""
    tried.append(len(lines))
    check_lines(place, IN_ENVELOPES, lines)


@pytest.mark.long
@many
@given(contents=csv_texts)
def test_much_csv(place: Path, tried: list[int], contents: list[bytes]) -> None:
    """CSV files, by both ways of reading"""
    tried.append(len(contents))
    check_csv(place, contents)
