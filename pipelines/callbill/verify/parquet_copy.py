"""A copy of a Parquet file that polars does not read, of the columns that count.

Nobody maps a column of intervals or of VARIANT, but polars reads no file that has one, or a time
zone that it does not know, or a name twice. It reads a mapped UUID as bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import duckdb

from callbill.base.sql import identifier, literal
from callbill.ingest.shapes import Shape, parts_of
from callbill.verify.identifiers import name_rule

_KNOWN = re.compile(
    r"(VARCHAR|BLOB|BOOLEAN|U?(TINY|SMALL|BIG)INT|U?INTEGER|FLOAT|DOUBLE|DATE|TIMESTAMP(_S|_MS|_NS)?"
    r"|DECIMAL\(\d+,\d+\))"
)
# Copied as it is: a copy names no time zone but UTC.
_WITH_ZONE = "TIMESTAMP WITH TIME ZONE"
# Types whose values are no texts.
_NO_TEXTS = ("STRUCT", "MAP", "JSON", "BOOLEAN", "BLOB", "BIT", "INTERVAL", "UNION")


def readable_copy(path: Path, shape: Shape, scratch: Path) -> Path:
    """The path of a file that polars reads: this one, or a copy of what the shape reads of it, with
    the rows in their order. Raises duckdb.Error if the file cannot be read."""
    source = (
        f"read_parquet({literal(str(path))}, hive_partitioning = false, binary_as_string = true)"
    )
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        types = _columns(con, f"* from {source}")
        in_schema = con.execute("select name from parquet_schema(?)", [str(path)]).fetchall()
        has_repeats = len(set(in_schema)) < len(in_schema)
        if not has_repeats and all(map(_KNOWN.fullmatch, types.values())):
            return path
        columns = []
        for wanted in shape.paths_and_parents:
            found = _find(con, source, wanted, name_rule(shape))
            if found is None:
                continue
            value, type_ = found
            if type_.startswith(_NO_TEXTS) or type_.endswith("]"):
                value = f"case when {value} is not null then true end"
            elif type_ != _WITH_ZONE:
                value = f"cast({value} as varchar)"
            columns.append(f"{value} as {identifier(wanted)}")
        target = scratch / "readable.parquet"
        con.execute(
            f"copy (select {', '.join(columns) or 'null as nothing'} from {source})"
            f" to {literal(str(target))} (format parquet)"
        )
        return target


def _columns(con: duckdb.DuckDBPyConnection, what: str) -> dict[str, str]:
    """Names and types of a select list."""
    return {row[0]: row[1] for row in con.execute(f"describe select {what}").fetchall()}


def _find(
    con: duckdb.DuckDBPyConnection, source: str, wanted: str, as_matched: Callable[[str], str]
) -> tuple[str, str] | None:
    """SQL and type of a column of that name, or of a struct's field."""
    for parts in ([wanted.replace("\\.", ".")], parts_of(wanted)):
        reference, type_, fields = "", "", _columns(con, f"* from {source}")
        for n, part in enumerate(parts):
            if n > 0:
                if not type_.startswith("STRUCT"):
                    break
                fields = _columns(con, f"unnest({reference}) from {source}")
            name = next((name for name in fields if as_matched(name) == part.lower()), None)
            if name is None:
                break
            reference += ("." if n else "") + identifier(name)
            type_ = fields[name]
        else:
            return reference, type_
    return None
