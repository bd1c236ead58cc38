"""A file that is clean is read whole, at the engine's speed; one that is not, line by line.

Whichever way it is read, a line must come out the same, and none may be lost. First lines picked
by hand, then some that Hypothesis writes, most of them damaged: each is loaded as a file of its
own, to see whether it is clean enough to be read whole, and once more beside a line that has its
file read line by line.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import duckdb
import pytest
from hypothesis import given

from tests.support.generated_lines import (
    a_few,
    check_csv,
    check_lines,
    csv_texts,
    envelope_texts,
    json_texts,
)
from tests.support.landing_files import (
    OWNER,
    Loaded,
    csv_file,
    json_lines,
    load,
    parquet_file,
    record,
)
from tests.support.odd_lines import CANONICAL, GROUPS, IN_ENVELOPES, both_ways, envelope_line


@pytest.fixture(scope="module")
def loaded_both_ways(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    files: dict[str, bytes] = {}
    for name in GROUPS:
        for part in both_ways(name):
            files |= part
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
    by_line = {path: alone[path] for path in alone.keys() & loaded_both_ways.read_line_by_line}
    # A request id with an escape or a sign could be odd. A form feed is no blank to JSON functions.
    maybe_odd = re.compile(rb'"request_id": ("[^"]*[^0-9A-Za-z_"-]|-)|\x0c')
    assert [content for content in by_line.values() if not maybe_odd.search(content)] == []
    assert all(loaded_both_ways.counts[path][0] == 1 for path in alone)


# --- much beside a bad line --------------------------------------------------------------------


def test_long_lines_beside_a_bad_one(tmp_path: Path) -> None:
    """Answers are logged with their pictures' addresses: lines of some kilobytes, in great numbers,
    must not take more memory than the run has."""
    lines = [record(f"long/{n}", Images="y" * 10_000) for n in range(2_000)]
    path = f"{CANONICAL}/a.jsonl"
    loaded = load(tmp_path, {path: json_lines(*lines, "[]")})
    assert loaded.counts[path] == (2_001, 2_000, 1)


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


# --- runs --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@a_few
@given(lines=json_texts)
def test_lines(place: Path, lines: list[bytes]) -> None:
    check_lines(place, CANONICAL, lines)


@a_few
@given(lines=envelope_texts)
def test_envelopes(place: Path, lines: list[bytes]) -> None:
    check_lines(place, IN_ENVELOPES, lines)


@a_few
@given(contents=csv_texts)
def test_csv(place: Path, contents: list[bytes]) -> None:
    check_csv(place, contents)
