"""Finds out how a CSV file is laid out: its delimiter, and the line that its header is in.

Usually that is a comma and the first line. Otherwise a layout counts only if it is the one in which
a line names all required columns of the feed. What a shape says of its files is taken as it is.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from callbill.ingest.readers.columns import check_required, paths_of_columns, plain_name
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.shapes import Shape

_DELIMITERS = (",", ";", "\t", "|")
# The header is looked for in so many lines, each of at most so many characters.
_FIRST_LINES = 50
_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class CsvLayout:
    """`names` are the columns as the file has them. `skip` lines come before the header."""

    names: tuple[str, ...] = ()
    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    skip: int = 0
    has_header: bool = True

    @property
    def is_usual(self) -> bool:
        """Whether DuckDB can read such a file whole."""
        return self == CsvLayout(self.names)


def is_header(names: Sequence[str], shape: Shape) -> bool:
    """Whether these are names of columns, all that are required among them."""
    names = [plain_name(name) for name in names]
    try:
        check_required(shape, paths_of_columns(shape, names), names)
    except UnreadableFileError:
        return False
    return True


def search_layout(path: Path, shape: Shape) -> CsvLayout | None:
    """The only layout in which one of a file's first lines is a header; None if there is none, or
    several."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            lines = list(islice(iter(lambda: text.readline(_LONGEST_LINE), ""), _FIRST_LINES))
    except UnicodeDecodeError:
        return None
    form = shape.csv
    delimiters = [form.delimiter] if form.delimiter else [*_DELIMITERS]
    if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:
        delimiters = [lines[0][4]]
    found = []
    for delimiter in delimiters:
        for number, line in enumerate(lines):
            names = _values(line, delimiter, form.quote)
            if is_header(names, shape):
                found.append(
                    CsvLayout(
                        tuple(map(plain_name, names)), delimiter, form.quote, form.escape, number
                    )
                )
                break
    return found[0] if len(found) == 1 else None


def layout_without_header(path: Path, shape: Shape) -> CsvLayout:
    """The layout of a file whose shape names its columns. A first line with these names is a header
    all the same."""
    form = shape.csv
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        first = _values(text.readline(_LONGEST_LINE), form.delimiter or ",", form.quote)
    has_header = [plain_name(name) for name in first] == list(form.columns)
    return CsvLayout(
        form.columns, form.delimiter or ",", form.quote, form.escape, has_header=has_header
    )


def _values(line: str, delimiter: str, quote: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, quotechar=quote), [])
    except csv.Error:
        return []
