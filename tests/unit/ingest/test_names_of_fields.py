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
from callbill.ingest.readers.json_files import first_key_lists, odd_files
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
        assert odd_files(con, shape, [path]) == set()
        path.write_bytes(
            plain * 3000 + failed.replace(b"error_code", other.encode()) + plain * 2000
        )
        assert odd_files(con, shape, [path]) == {str(path)}


# Far beyond the first lines of a file, from which the keys of the others are guessed.
@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"x": 1} | FAILED, None),
        ({"latency_ms": 1} | FAILED, None),
        ({"Error_Code": "InternalError"} | USUAL["call_logs"], None),
        ('"error_code": "InternalError", "error_code": null', "duplicate_key"),
        ('"x": 1, "error_code": "InternalError", "x": 2', None),
        ('"error_code": "InternalError", "HTTP_STATUS": 200', "duplicate_key"),
    ],
)
def test_a_late_line_may_have_other_keys(
    tmp_path: Path, other: dict[str, object] | str, reason: str | None
) -> None:
    usual = contents("call_logs", "canonical", "json", [USUAL["call_logs"]]).decode()
    line = f"{usual.strip()[:-1]}, {other}}}" if isinstance(other, str) else json.dumps(other)
    # Rows are told apart by their times.
    line = line.replace(str(USUAL["call_logs"]["called_at"]), "2026-03-02T11:00:01+08:00")
    outcome = read(
        tmp_path, "call_logs", "canonical", "json", f"{usual * 2000}{line}\n{usual}".encode()
    )
    assert outcome.reasons == ({2001: reason} if reason else {})
    codes = [row["error_code"] for row in outcome.rows.values()]
    assert codes.count("InternalError") == (reason is None)
    assert len(outcome.times) == 2001 + (reason is None)


REGION, USER = {"region": "ap-x"}, {"operate_uin": "100000000099"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (FAILED, {"error_code": "InternalError"}),
        (REGION | USER, USER | REGION),
        (REGION | USER, USER),
        (USER, {}),
        (FAILED, {"x": {"error_code": 1}}),
    ],
)
def test_a_key_need_not_be_at_one_place(
    tmp_path: Path, first: dict[str, object], second: dict[str, object]
) -> None:
    """Lines whose lists of keys are few are read by place, if a key has but one, or by name."""
    unlike = {"region", "operate_uin", "error_code"}
    base = {key: value for key, value in USUAL["call_logs"].items() if key not in unlike}
    records = [
        base | record | {"called_at": f"2026-03-02T11:00:0{n}+08:00"}
        for n, record in enumerate([first, second, first])
    ]
    lines = "\n".join(map(json.dumps, records))
    outcome = read(tmp_path, "call_logs", "canonical", "json", lines.encode())
    rows = [outcome.rows[time] for time in sorted(outcome.rows)]
    assert [row["error_code"] for row in rows] == [r.get("error_code") for r in records]
    assert [row["region"] for row in rows] == [r.get("region") for r in records]
    assert [row["operate_uin"] for row in rows] == [
        r.get("operate_uin", r["owner_uin"]) for r in records
    ]


def test_lists_of_keys_are_guessed_from_the_first_lines(tmp_path: Path) -> None:
    shape = shape_of("call_logs", "canonical", 2)
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n\n' * 9000 + '{"b": 1}\n')
    assert first_key_lists(shape, [path]) == {("a",)}
    odd = ['{"a": 1}\n{"Error_Code": 1}', '{"a": 1}\n{"b"', "5", '"a"', '{"a": 1}\n\xff']
    for text in (*odd, '{"\\ud800": 1}', f'{{"a": {"[" * 5000}{"]" * 5000}}}'):
        path.write_bytes(text.encode("latin-1"))
        assert first_key_lists(shape, [path]) is None
    path.write_text("".join(f'{{"a{n}": 1}}\n' for n in range(5)))
    assert first_key_lists(shape, [path]) is None


@pytest.mark.parametrize(
    ("added", "reasons"),
    [
        ('"x": ' + "[" * 1500 + "]" * 1500, {}),
        ('"\\ud800": 1', {2: "invalid_json"}),
        ('"\\udc00\\ud800": 1', {2: "invalid_json"}),
    ],
)
def test_an_unread_key_or_value_stops_nothing(
    tmp_path: Path, added: str, reasons: dict[int, str]
) -> None:
    usual = contents("call_logs", "canonical", "json", [USUAL["call_logs"]]).decode()
    text = f"{usual}{usual.strip()[:-1]}, {added}}}\n{usual}"
    outcome = read(tmp_path, "call_logs", "canonical", "json", text.encode())
    assert outcome.reasons == reasons
    assert len(outcome.times) == 3 - len(reasons)


@pytest.mark.parametrize("beside", ["", "[]\n"])
def test_a_value_that_does_not_count_must_be_a_text_too(tmp_path: Path, beside: str) -> None:
    """Of several paths the first that is not empty counts, whichever way the line is read."""
    line = {
        "request_id": "abc-def-ghi-jkl", "time_iso8601": "2026-03-02T10:00:00+08:00",
        "owner_uin": "100000000081", "remote_user": False, "action": "SearchByText",
        "status": "200", "error_code": "-",
    }  # fmt: skip
    outcome = read(tmp_path, "call_logs", "nginx", "json", f"{json.dumps(line)}\n{beside}".encode())
    assert outcome.reasons[1] == "invalid_owner_uin"


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
    # One column alone: in each shape some, in all shapes together every one.
    first = ["canonical", "envelope", "cloudaudit"].index(shape)
    for column, around in list(zip(flat, cycle(AROUND), strict=False))[first::3]:
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
