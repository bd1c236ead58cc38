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

from callbill.ingest.landing import kind_of
from callbill.ingest.readers.csv_layout import CsvLayout
from callbill.ingest.readers.delimited import csv_records, layout_of
from callbill.ingest.readers.json_lines import json_lines
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.readers.recoding import as_utf8
from callbill.ingest.readers.unpacking import unpack
from callbill.ingest.readers.workbooks import sheet_as_csv
from callbill.ingest.shapes import Shape, shape_of
from callbill.verify.csv_texts import csv_rows
from callbill.verify.identifiers import cleaned
from callbill.verify.json_texts import json_rows, object_rows
from callbill.verify.parquet_copy import readable_copy
from callbill.verify.parquet_texts import parquet_texts
from callbill.verify.plain import BLANK, objects_of
from callbill.verify.rows import Row
from callbill.warehouse.loads import SourceLoad

ROWS_AT_ONCE = 50_000


def texts_of(
    path: Path, load: SourceLoad, scratch: Path, member: int | None = None
) -> Iterator[tuple[pl.DataFrame, float]]:
    """A file's rows of texts, some at a time, each time with the part of the file read by then.
    `member` is the file's place in the .zip that `path` leads to.

    Columns are the feed's fields, `malformed`, `has_error` and `line`, its number. A file that
    cannot be read at all has no rows.
    """
    shape = shape_of(load.feed, load.format, load.reading_rules, load.declaration)
    kind, compression = kind_of(load.path)
    schema: dict[str, pl.DataType] = {
        **dict.fromkeys(shape.feed.fields, pl.String()),
        "malformed": pl.Boolean(),
        "has_error": pl.Boolean(),
        "line": pl.Int64(),
    }
    try:
        plain = unpack(path, member, compression, scratch / "plain")
        kind = _kind_of_text(plain, shape) if kind == "text" else kind
        if kind == "workbook":
            kind, plain = "csv", sheet_as_csv(plain, shape, scratch / "sheet")
        elif kind == "csv" and shape.feed.reads_gb18030 and load.reading_rules >= 2:
            plain = as_utf8(plain, scratch / "recoded")
        if kind == "parquet":
            plain = readable_copy(plain, shape, scratch)
            for texts, part_read in parquet_texts(plain, shape, schema, ROWS_AT_ONCE):
                yield _counted(texts, load), part_read
            return
        layout = layout_of(plain, shape) if kind == "csv" else CsvLayout()
        rows = None if kind == "csv" else _rows_of_objects(plain, kind, shape)
    except (UnreadableFileError, pl.exceptions.PolarsError, duckdb.Error):
        return
    size = plain.stat().st_size
    with plain.open("rb") as stream:
        if rows is None:
            rows = (
                csv_rows(csv_records(stream, layout), list(layout.names), shape)
                if kind == "csv"
                else json_rows(json_lines(stream, shape.reading_rules), shape)
            )
        while part := list(islice(rows, ROWS_AT_ONCE)):
            # A reader of CSV closes the file that it has read to its end.
            read = size if stream.closed else stream.tell()
            yield _counted(pl.DataFrame(part, schema, orient="row"), load), read / size


def _rows_of_objects(path: Path, kind: str, shape: Shape) -> Iterator[Row] | None:
    """The rows of a file that is no plain JSON lines, None if it is."""
    if shape.feed.name != "call_logs" and kind == "json":
        return None
    objects = objects_of(path, kind, shape)
    if objects is None:
        return None
    # All of them, because a document that breaks off does not count at all.
    rows = list(object_rows(objects, shape.flat if shape.is_flattened else shape, BLANK))
    return iter(rows)


def _kind_of_text(path: Path, shape: Shape) -> str:
    """What a text is whose name does not say it."""
    if shape.files or shape.pattern:
        return {"json": "document"}.get(shape.files or "", shape.files or "lines")
    with path.open("rb") as stream:
        first = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return "csv" if first not in (b"{", b"[", b"") else "document"


def _counted(texts: pl.DataFrame, load: SourceLoad) -> pl.DataFrame:
    """Rows with identifiers as they count by the rules that the file was read by."""
    return cleaned(texts) if load.reading_rules >= 2 else texts
