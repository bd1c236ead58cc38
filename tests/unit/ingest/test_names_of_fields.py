"""How a column's name or a key may be written, since version 2 of the reading rules.

A key that only one line of a large file has in another way counts there as it does alone.
"""

from __future__ import annotations

import io
import json
from itertools import cycle
from pathlib import Path

import duckdb
import polars as pl
import pytest
from callbill.ingest.readers.json_lines import look_at_lines
from callbill.ingest.shapes import shape_of

from tests.support.single_files import USUAL, contents, path_of, read, verified

FAILED = {**USUAL["call_logs"], "error_code": "InternalError"}
AROUND = [" %", "% ", "\t%", "%\u00a0", "\ufeff%", "\u200b% ", "'%", " '% "]


def json_escaped(text: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


def spellings_of(key: str) -> list[str]:
    """A key as JSON may have it."""
    return [
        *(key.upper(), key.title(), key.swapcase(), f"{key[0].upper()}{key[1:]}"),
        *(json.dumps(around.replace("%", key))[1:-1] for around in AROUND),
        *(around.replace("%", key.upper()) for around in AROUND if "\t" not in around),
        *(json_escaped(key[0]) + key[1:], json_escaped(key[0].upper()) + key[1:]),
        *(json_escaped(key), json_escaped(f" {key} ")),
    ]


@pytest.mark.parametrize("shape", ["canonical", "envelope", "cloudaudit"])
@pytest.mark.parametrize("beside_bad", [False, True])
def test_a_key_counts_however_it_is_written(
    tmp_path: Path, shape: str, *, beside_bad: bool
) -> None:
    text = contents("call_logs", shape, "json", [FAILED]).decode().strip()
    keys = {path.rpartition(".")[2] for path in shape_of("call_logs", shape).paths_and_parents}
    spellings = [(key, other) for key in keys if f'"{key}"' in text for other in spellings_of(key)]
    lines = [text.replace(f'"{key}"', f'"{other}"') for key, other in spellings]
    lines += [text.replace(f'"{key}"', f'"{other}": null, "{key}"') for key, other in spellings]
    lines += ["x"] * beside_bad
    outcome = read(tmp_path, "call_logs", shape, "json", "\n".join(lines).encode())
    count = len(spellings)
    assert len(outcome.times) == count
    expected = dict.fromkeys(range(count + 1, 2 * count + 1), "duplicate_key")
    assert outcome.reasons == expected | ({2 * count + 1: "invalid_json"} if beside_bad else {})
    again = verified(tmp_path, "call_logs", shape, "json")
    assert again["malformed"].to_list() == [False] * count + [True] * (count + beside_bad)
    good = again.filter(~again["malformed"])
    assert good["error_code"].unique().to_list() == ["InternalError"]
    assert good["owner_uin"].unique().to_list() == ["100000000081"]


def test_some_lines_of_many_count_too(tmp_path: Path) -> None:
    plain = contents("call_logs", "canonical", "json", [USUAL["call_logs"]]).decode()
    lines = [plain] * 5000
    spellings = spellings_of("error_code")
    for n, other in enumerate(spellings, 1):
        # Rows are told apart by their times.
        failed = {**FAILED, "called_at": f"2026-03-02T11:00:{n:02d}+08:00"}
        text = contents("call_logs", "canonical", "json", [failed]).decode()
        lines[150 * n + 1] = text.replace('"error_code"', f'"{other}"')
    outcome = read(tmp_path, "call_logs", "canonical", "json", "".join(lines).encode())
    assert len(outcome.times) == len(lines)
    codes = [row["error_code"] for row in outcome.rows.values()]
    assert sorted(codes, key=str) == [*["InternalError"] * len(spellings), None]


@pytest.mark.parametrize("other", ["Error_Code", "error_code ", "\\u0045rror_code"])
def test_one_line_of_many_has_the_file_read_line_by_line(tmp_path: Path, other: str) -> None:
    plain = contents("call_logs", "canonical", "json", [USUAL["call_logs"]])
    failed = contents("call_logs", "canonical", "json", [FAILED])
    path = tmp_path / "a.jsonl"
    path.write_bytes(plain * 5000)
    with duckdb.connect() as con:
        shape = shape_of("call_logs", "canonical", 2)
        assert look_at_lines(con, shape, [path]).odd == set()
        path.write_bytes(
            plain * 3000 + failed.replace(b"error_code", other.encode()) + plain * 2000
        )
        assert look_at_lines(con, shape, [path]).odd == {str(path)}


@pytest.mark.parametrize(
    ("beside", "are_plain"),
    [("a b", True), ("é", False), ("\x7f", False), ("a\\b", False), ("\u200b", False)],
)
def test_lines_are_plain_if_no_letter_is_escaped(
    tmp_path: Path, beside: str, *, are_plain: bool
) -> None:
    text = contents("call_logs", "canonical", "json", [USUAL["call_logs"]]).decode()
    path = tmp_path / "a.jsonl"
    path.write_text(text + json.dumps({**json.loads(text), "x": beside}, ensure_ascii=False))
    with duckdb.connect() as con:
        shape = shape_of("call_logs", "canonical", 2)
        assert look_at_lines(con, shape, [path]).are_plain is are_plain


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("shape", ["canonical", "envelope", "cloudaudit"])
def test_a_column_counts_whatever_is_around_its_name(tmp_path: Path, kind: str, shape: str) -> None:
    flat = {path_of("call_logs", shape, field, kind): text for field, text in FAILED.items()}
    # Around each name each text once, in small letters or in capitals.
    headers = [
        [around.replace("%", name) for name, around in zip(flat, cycle(AROUND[n:] + AROUND[:n]))]
        for n in range(len(AROUND))
    ]
    headers = [[n.upper() for n in one] if k % 2 else one for k, one in enumerate(headers)]
    for column, around in zip(flat, cycle(AROUND), strict=False):
        headers.append([around.replace("%", name) if name == column else name for name in flat])
    for names in headers:
        row = pl.DataFrame([list(flat.values())], schema=names, orient="row")
        sink = io.BytesIO()
        row.write_csv(sink) if kind == "csv" else row.write_parquet(sink)
        outcome = read(tmp_path, "call_logs", shape, kind, sink.getvalue())
        [record] = outcome.rows.values()
        assert record["error_code"] == "InternalError", names
        assert record["operate_uin"] == "200000000081", names
        again = verified(tmp_path, "call_logs", shape, kind)
        assert again["error_code"].to_list() == ["InternalError"], names
        assert again["operate_uin"].to_list() == ["200000000081"], names


@pytest.mark.parametrize("beside", [{}, {"x": [1]}])
def test_by_version_1_a_column_with_a_blank_is_another(tmp_path: Path, beside: dict) -> None:
    row = {name: text for name, text in FAILED.items() if name != "error_code"}
    sink = io.BytesIO()
    pl.DataFrame([{**row, " error_code": "InternalError", **beside}]).write_parquet(sink)
    outcome = read(tmp_path, "call_logs", "canonical", "parquet", sink.getvalue(), 1)
    assert [record["error_code"] for record in outcome.rows.values()] == [None]
    again = verified(tmp_path, "call_logs", "canonical", "parquet", 1)
    assert again["error_code"].to_list() == [None]
