"""A landing file as rows of texts: a row a line, a column a field.

A line that cannot be a record, whatever its fields say, is a row that is `malformed`.

A copy on purpose of how ingest reads fields, by what docs/landing.md says. Only what splits a file
into lines is shared with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import duckdb
import polars as pl

from callbill.ingest.landing import COMPRESSIONS, KINDS
from callbill.ingest.readers.delimited import csv_records, header_names
from callbill.ingest.readers.json_lines import json_lines
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.readers.unpacking import decompress
from callbill.ingest.shapes import shape_of
from callbill.verify.csv_texts import csv_rows
from callbill.verify.identifiers import cleaned
from callbill.verify.json_texts import json_rows
from callbill.verify.parquet_copy import readable_copy
from callbill.verify.parquet_texts import parquet_texts
from callbill.warehouse.loads import SourceLoad

ROWS_AT_ONCE = 50_000


def texts_of(path: Path, load: SourceLoad, scratch: Path) -> Iterator[tuple[pl.DataFrame, float]]:
    """A file's rows of texts, some at a time, each time with the part of the file read by then.

    Columns are the feed's fields, `malformed`, `has_error` and `line`, its number. A file that
    cannot be read at all has no rows.
    """
    shape = shape_of(load.feed, load.format, load.reading_rules)
    compression = next((suffix for suffix in COMPRESSIONS if load.path.endswith(suffix)), "")
    kind = KINDS[Path(load.path.removesuffix(compression)).suffix]
    schema: dict[str, pl.DataType] = {
        **dict.fromkeys(shape.feed.fields, pl.String()),
        "malformed": pl.Boolean(),
        "has_error": pl.Boolean(),
        "line": pl.Int64(),
    }
    plain = path
    try:
        if compression:
            plain = scratch / "plain"
            decompress(path, compression, plain)
        if kind == "parquet":
            plain = readable_copy(plain, shape, scratch)
            for texts, part_read in parquet_texts(plain, shape, schema, ROWS_AT_ONCE):
                yield _counted(texts, load), part_read
            return
        header = header_names(plain, load.reading_rules) if kind == "csv" else []
    except (UnreadableFileError, pl.exceptions.PolarsError, duckdb.Error):
        return
    size = plain.stat().st_size
    with plain.open("rb") as stream:
        rows = (
            csv_rows(csv_records(stream, header), header, shape)
            if kind == "csv"
            else json_rows(json_lines(stream), shape)
        )
        while part := list(islice(rows, ROWS_AT_ONCE)):
            # A reader of CSV closes the file that it has read to its end.
            read = size if stream.closed else stream.tell()
            yield _counted(pl.DataFrame(part, schema, orient="row"), load), read / size


def _counted(texts: pl.DataFrame, load: SourceLoad) -> pl.DataFrame:
    """Rows with identifiers as they count by the rules that the file was read by."""
    return cleaned(texts) if load.reading_rules >= 2 else texts
