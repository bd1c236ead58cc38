"""Writes a mart as a Parquet file. Months of it that are as they were are copied from the release
before as bytes: compressing them takes a hundred times as long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from callbill.base.sql import literal
from callbill.release.marts import Mart, columns_of, dated_tables
from callbill.release.release import Release
from callbill.storage.files import link_or_copy
from callbill.storage.parquet_parts import NotOfPartsError, Part, join, parts_of, whole_file

# Level 1 is smaller here than the default, and a fifth faster.
PARQUET = "format parquet, parquet_version v2, compression zstd, compression_level 1"
# What lies elsewhere in a file than the rows cannot be copied with them.
_PARQUET_OF_PARTS = f"{PARQUET}, write_bloom_filter false"
# The months of marts by the dates that they are hashed by (`refresh_hashes`), with a text that
# changes when the rows of the month do.
_MONTHS = """
    select
        table_name,
        strftime(day, '%Y-%m') as month,
        min(day),
        max(day),
        md5(string_agg(day || ' ' || seen, ' ' order by day))
    from ops.fingerprints
    where list_contains(?, table_name)
    group by table_name, month
    order by table_name, min(day)
"""


@dataclass(frozen=True)
class Month:
    """Some rows of a mart: those of the dates `first` to `last`. `made_from` is another if they, or
    the mart's columns, are others."""

    name: str
    first: date
    last: date
    made_from: str


def months_of_marts(con: duckdb.DuckDBPyConnection) -> dict[str, list[Month]]:
    """The months of each mart that is hashed by date and has rows."""
    marts = [mart.name for mart in dated_tables()]
    columns = columns_of(con, marts)
    months: defaultdict[str, list[Month]] = defaultdict(list)
    for mart, month, first, last, seen in con.execute(_MONTHS, [marts]).fetchall():
        made_from = sha256(f"{columns[mart]} {seen}".encode()).hexdigest()[:32]
        months[mart].append(Month(month, first, last, made_from))
    return months


def write_parquet(
    con: duckdb.DuckDBPyConnection,
    mart: Mart,
    months: Sequence[Month],
    release: Release,
    previous: Release | None,
) -> None:
    """Write a mart's Parquet file into a release, of its months if it has any. The previous one's
    files stay as they are."""
    target = release.table(mart.name)
    if not months:
        con.execute(f"copy (from billing.{mart.name}) to {literal(str(target))} ({PARQUET})")
        return
    before: dict[str, Part] = {}
    if previous is not None:
        # It may be of an earlier version, or damaged: then all months are made anew.
        with suppress(NotOfPartsError, OSError):
            before = parts_of(previous.table(mart.name))
    parts = []
    with TemporaryDirectory(dir=release.parquet) as scratch:
        for month in months:
            part = before.get(month.name)
            if part is None or part.made_from != month.made_from:
                path = Path(scratch, month.name)
                con.execute(
                    f"copy (from billing.{mart.name}"
                    f" where {mart.hashed_by} between date '{month.first}' and date '{month.last}')"
                    f" to {literal(str(path))} ({_PARQUET_OF_PARTS})"
                )
                part = whole_file(path, month.name, month.made_from)
            parts.append(part)
        if previous is not None and parts == list(before.values()):
            link_or_copy(previous.table(mart.name), target)
        else:
            join(parts, target)
