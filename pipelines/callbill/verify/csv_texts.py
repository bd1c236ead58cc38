"""CSV records as rows of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from callbill.ingest.readers.lines import BadLine, Line
from callbill.ingest.shapes import Shape
from callbill.verify.identifiers import says_zero, strip_name
from callbill.verify.rows import (
    Row,
    code_paths,
    emptiness,
    error_parents,
    malformed_row,
    row_of_texts,
)


def csv_rows(lines: Iterable[Line | BadLine], header: list[str], shape: Shape) -> Iterator[Row]:
    """A row for each record of a file with this header."""
    if shape.reading_rules >= 2:
        known = {path.replace("\\.", ".").lower(): path for path in shape.paths_and_parents}
        header = [known.get(strip_name(name), name) for name in header]
    columns_of = {
        field: [header.index(path) for path in shape.fields.get(field, ()) if path in header]
        for field in shape.feed.fields
    }
    empty = {field: emptiness(shape, field) for field in shape.feed.fields}
    codes = code_paths(shape)
    # Of each error object its column and that of its code, if there is one.
    errors = [
        (header.index(parent), header.index(codes[parent]) if codes[parent] in header else None)
        for parent in error_parents(shape)
        if parent in header
    ]
    for line in lines:
        if isinstance(line, BadLine):
            yield malformed_row(shape, line.number)
            continue
        texts: list[str | bool | None] = []
        for field, columns in columns_of.items():
            values = (line.values[column] for column in columns)
            texts.append(next((value for value in values if not empty[field](value)), None))
        has_error = any(
            line.values[column]
            and not (
                shape.reading_rules >= 2
                and code is not None
                and says_zero(line.values[code], shape)
            )
            for column, code in errors
        )
        yield row_of_texts(texts, shape, line.number, has_error=has_error)
