"""Parquet files of parts: readers see one file, and bytes that are not as written are refused."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pytest
from callbill.storage.parquet_parts import NotOfPartsError, Part, join, parts_of, whole_file

# More columns than the protocol counts in a list's first byte, and rows for several groups.
_QUERY = """
    select
        n + {first} as id,
        case when n % 3 > 0 then 'text ' || n % 7 end as label,
        (n * 1.25)::decimal(38, 8) as amount,
        date '2026-01-01' + (n % 40)::int as day,
        timestamptz '2026-01-01 00:00:00+00' + to_minutes(n) as at,
        n % 2 = 0 as is_even,
        n / 3 as third,
        null::varchar as nothing,
        {columns}
    from range({rows}) as r (n)
"""
_COLUMNS = ", ".join(f"n + {number} as c{number}" for number in range(12))
_OPTIONS = "format parquet, parquet_version v2, compression zstd, write_bloom_filter false"


def part(path: Path, first: int, rows: int = 5000) -> Part:
    with duckdb.connect() as con:
        con.execute(
            f"copy ({_QUERY.format(first=first, rows=rows, columns=_COLUMNS)})"
            f" to '{path}' ({_OPTIONS}, row_group_size 2048)"
        )
    return whole_file(path, path.name, f"made from {first}")


def rows_of(*files: Path) -> list[tuple[object, ...]]:
    with duckdb.connect() as con:
        return con.execute(f"from read_parquet({list(map(str, files))}) order by id").fetchall()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [tmp_path / name for name in ("a", "b", "c")]


@pytest.fixture
def joined(files: list[Path], tmp_path: Path) -> Path:
    target = tmp_path / "joined.parquet"
    join([part(file, 10_000 * n) for n, file in enumerate(files)], target)
    return target


def test_readers_see_one_file(files: list[Path], joined: Path) -> None:
    assert rows_of(joined) == rows_of(*files)
    assert pl.read_parquet(joined).equals(pl.concat(map(pl.read_parquet, files)))
    with duckdb.connect() as con:
        metadata = f"from parquet_metadata('{joined}')"
        [(groups, filters)] = con.execute(
            f"select count(distinct row_group_id), count(bloom_filter_offset) {metadata}"
        ).fetchall()
        assert (groups, filters) == (9, 0)
        # What is said of the values leads to the row groups that have them.
        assert con.execute(f"select count(*) from '{joined}' where id >= 20000").fetchall() == [
            (5000,)
        ]


def test_parts_go_from_file_to_file(files: list[Path], joined: Path, tmp_path: Path) -> None:
    old = parts_of(joined)
    assert [(name, old[name].made_from) for name in old] == [
        (file.name, f"made from {10_000 * n}") for n, file in enumerate(files)
    ]
    new = part(tmp_path / "b2", 50_000, rows=7)
    again = tmp_path / "again.parquet"
    join([old["c"], new, old["a"]], again)
    assert rows_of(again) == rows_of(files[2], tmp_path / "b2", files[0])
    thrice = tmp_path / "thrice.parquet"
    join([parts_of(again)[name] for name in ("a", "b2", "c")], thrice)
    assert rows_of(thrice) == rows_of(again)
    same = tmp_path / "same.parquet"
    join(list(parts_of(thrice).values()), same)
    assert same.read_bytes() == thrice.read_bytes()


def test_other_files_have_no_parts(files: list[Path], joined: Path, tmp_path: Path) -> None:
    part(files[0], 0)
    damaged = bytearray(joined.read_bytes())
    damaged[len(damaged) // 3] ^= 1
    (tmp_path / "damaged").write_bytes(damaged)
    (tmp_path / "cut").write_bytes(joined.read_bytes()[:-100])
    (tmp_path / "cut in front").write_bytes(joined.read_bytes()[-500:])
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("PAR1 is how a Parquet file begins, and ends: PAR1")
    for name in ("a", "damaged", "cut", "cut in front", "empty", "text"):
        with pytest.raises(NotOfPartsError):
            parts_of(tmp_path / name)


def test_a_file_with_bloom_filters_is_no_part(tmp_path: Path) -> None:
    with duckdb.connect() as con:
        con.execute(
            "copy (select (n % 10)::varchar as a from range(10000) as r (n))"
            f" to '{tmp_path / 'a'}' (format parquet)"
        )
    with pytest.raises(NotOfPartsError):
        whole_file(tmp_path / "a", "a", "")
