"""Writes a mart as a Parquet file. Months of it that are as they were are copied from the release
before as bytes: compressing them takes a hundred times as long."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from callbill.base.sql import literal
from callbill.release.marts import Mart
from callbill.release.release import Release
from callbill.storage.files import link_or_copy
from callbill.storage.parquet_parts import NotOfPartsError, Part, join, parts_of, whole_file

# Level 1 is smaller here than the default, and a fifth faster.
PARQUET = "format parquet, parquet_version v2, compression zstd, compression_level 1"
# What lies elsewhere in a file than the rows cannot be copied with them.
_PARQUET_OF_PARTS = f"{PARQUET}, write_bloom_filter false"
# The months of a mart by the dates that it is hashed by (`refresh_hashes`), with a text that
# changes when its columns or the rows of the month do.
_MONTHS = """
    select
        strftime(day, '%Y-%m') as month,
        min(day),
        max(day),
        md5($columns || string_agg(day || ' ' || seen, ' ' order by day))
    from ops.fingerprints
    where table_name = $mart
    group by month
    order by min(day)
"""


def write_parquet(
    con: duckdb.DuckDBPyConnection, mart: Mart, release: Release, previous: Release | None
) -> None:
    """Write a mart's Parquet file into a release. The previous one's files stay as they are."""
    target = release.table(mart.name)
    months = []
    if mart.hashed_by:
        described = con.execute(f"describe billing.{mart.name}").fetchall()
        asked = {"columns": str([column[:2] for column in described]), "mart": mart.name}
        months = con.execute(_MONTHS, asked).fetchall()
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
        for month, first, last, made_from in months:
            part = before.get(month)
            if part is None or part.made_from != made_from:
                path = Path(scratch, month)
                con.execute(
                    f"copy (from billing.{mart.name}"
                    f" where {mart.hashed_by} between date '{first}' and date '{last}')"
                    f" to {literal(str(path))} ({_PARQUET_OF_PARTS})"
                )
                part = whole_file(path, month, made_from)
            parts.append(part)
        if previous is not None and parts == list(before.values()):
            link_or_copy(previous.table(mart.name), target)
        else:
            join(parts, target)
