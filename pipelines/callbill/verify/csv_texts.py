"""CSV records as rows of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from callbill.ingest.readers.lines import BadLine, Line
from callbill.ingest.shapes import Shape
from callbill.verify.rows import Row, empty_texts, error_parents, malformed_row, row_of_texts


def csv_rows(lines: Iterable[Line | BadLine], header: list[str], shape: Shape) -> Iterator[Row]:
    """A row for each record of a file with this header."""
    columns_of = {
        field: [header.index(path) for path in shape.fields.get(field, ()) if path in header]
        for field in shape.feed.fields
    }
    error_columns = [header.index(parent) for parent in error_parents(shape) if parent in header]
    for line in lines:
        if isinstance(line, BadLine):
            yield malformed_row(shape, line.number)
            continue
        texts: list[str | bool | None] = []
        for field, columns in columns_of.items():
            empty = empty_texts(shape, field)
            values = (line.values[column] for column in columns)
            texts.append(next((value for value in values if value not in empty), None))
        has_error = any(line.values[column] for column in error_columns)
        yield row_of_texts(texts, shape, line.number, has_error=has_error)
