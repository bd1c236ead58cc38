"""A copy of a Parquet file with types that polars does not read, in texts.

Nobody maps a column of intervals or of VARIANT, but polars reads no file that has one. It reads a
mapped UUID as bytes.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from callbill.base.sql import identifier, literal
from callbill.ingest.shapes import Shape

_KNOWN = re.compile(
    r"(VARCHAR|BLOB|BOOLEAN|U?(TINY|SMALL|BIG)INT|U?INTEGER|FLOAT|DOUBLE|DATE|TIMESTAMP(_S|_MS|_NS)?"
    r"( WITH TIME ZONE)?|DECIMAL\(\d+,\d+\))"
)
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
        types = [row[1] for row in con.execute(f"describe select * from {source}").fetchall()]
        if all(_KNOWN.fullmatch(type_) for type_ in types):
            return path
        columns = []
        for wanted in shape.paths_and_parents:
            nested = ".".join(identifier(part) for part in wanted.split("."))
            for reference in dict.fromkeys((identifier(wanted), nested)):
                try:
                    described = con.execute(f"describe select {reference} from {source}")
                except duckdb.BinderException:
                    continue
                type_ = described.fetchall()[0][1]
                is_text = not (type_.startswith(_NO_TEXTS) or type_.endswith("]"))
                value = (
                    f"cast({reference} as varchar)"
                    if is_text
                    else f"case when {reference} is not null then true end"
                )
                columns.append(f"{value} as {identifier(wanted)}")
                break
        target = scratch / "readable.parquet"
        con.execute(
            f"copy (select {', '.join(columns) or 'null as nothing'} from {source})"
            f" to {literal(str(target))} (format parquet)"
        )
        return target
