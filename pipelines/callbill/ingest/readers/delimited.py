"""Reads CSV: whole files by DuckDB, or record by record by Python.

The two readers understand some files in different ways. `count_unambiguous_records` finds such
files, and they are read record by record. So a record does not depend on the rest of its file.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from callbill.base.sql import identifier, literal
from callbill.ingest.readers.columns import check_required, paths_of_columns, plain_name
from callbill.ingest.readers.csv_layout import (
    CsvLayout,
    is_header,
    layout_without_header,
    search_layout,
)
from callbill.ingest.readers.field_texts import Column, texts_of_columns
from callbill.ingest.readers.lines import (
    CHUNK,
    MAX_LINE_BYTES,
    BadLine,
    Line,
    UnreadableFileError,
    bad_line,
)
from callbill.ingest.relation import Relation
from callbill.ingest.shapes import CsvForm, Shape

_USUAL = CsvLayout()
# The most bytes of a CSV record of several lines. In a longer one the opening quote is a mistake.
MAX_CSV_RECORD = 1024 * 1024


def whole_files(shape: Shape, header: Sequence[str], paths: Sequence[Path]) -> Relation:
    """The records of whole files with the same header."""
    columns = ", ".join(f"{literal(name)}: 'varchar'" for name in header)
    texts = texts_of_columns(shape, {name: Column(identifier(name)) for name in header})
    return Relation(
        f"""
        select {texts},
            parse_filename(filename, true) as source_file_id,
            null::bigint as line_number
        from read_csv(
            $names, columns = {{{columns}}}, header = true, auto_detect = false,
            delim = ',', quote = '"', escape = '"', strict_mode = true,
            max_line_size = {MAX_CSV_RECORD}, filename = true
        )
        """,
        {"names": [str(path) for path in paths]},
    )


def read_layout(path: Path, shape: Shape) -> tuple[CsvLayout, list[str]]:
    """The layout of a CSV file, and its columns under the names that the shape has for them. A
    column that the shape does not read has a name of its own. An empty file has no columns.

    Raises UnreadableFileError if the header is not UTF-8, if two columns are one field, or if a
    required field has no column.
    """
    layout = layout_of(path, shape)
    if shape.reading_rules < 2 or not layout.names:
        return layout, list(layout.names)
    paths = paths_of_columns(shape, layout.names)
    check_required(shape, paths, layout.names)
    return layout, [path or f"column {n}" for n, path in enumerate(paths)]


def layout_of(path: Path, shape: Shape) -> CsvLayout:
    """The layout of a CSV file. Raises UnreadableFileError if it has no readable header."""
    if shape.csv.columns:
        with path.open("rb") as stream:
            _check_encoding(stream)
        return layout_without_header(path, shape)
    if shape.reading_rules < 2:
        return CsvLayout(tuple(header_names(path, shape.reading_rules)))
    try:
        names = header_names(path, shape.reading_rules)
    except UnreadableFileError:
        if (layout := search_layout(path, shape)) is None:
            raise
        return layout
    usual = CsvLayout(tuple(names))
    if not names or (is_header(names, shape) and shape.csv == CsvForm()):
        return usual
    return search_layout(path, shape) or usual


def header_names(path: Path, reading_rules: int) -> list[str]:
    """The column names in the header of a CSV file. An empty file has none.

    Raises UnreadableFileError if the header is not UTF-8, and before version 2 of the reading rules
    if it names a column twice.
    """
    with path.open("rb") as stream:
        if reading_rules >= 2:
            _check_encoding(stream)
        first = next(_csv_rows(stream), None)
    if first is None:
        return []
    if isinstance(first, BadLine):
        raise UnreadableFileError(f"has no readable header: {first.reason}")
    _number, names, raw = first
    if reading_rules < 2:
        header = [name.strip() for name in names]
        if len(set(header)) < len(header) or _has_stray_bytes(header):
            raise UnreadableFileError("has a header that names a column twice or is not UTF-8")
        return header
    if _has_stray_bytes(names):
        try:
            raw.decode("gb18030")
        except UnicodeDecodeError:
            raise UnreadableFileError("has a header that is not UTF-8") from None
        raise UnreadableFileError("is not UTF-8 but, by its header, GBK: save it as UTF-8")
    return [plain_name(name) for name in names]


def _check_encoding(stream: BinaryIO) -> None:
    """Raises UnreadableFileError if a file is UTF-16 or UTF-32."""
    beginning = stream.read(4)
    stream.seek(0)
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or (
        len(beginning) == 4 and (beginning[::2] == b"\0\0" or beginning[1::2] == b"\0\0")
    ):
        raise UnreadableFileError("is not UTF-8 but UTF-16: save it as UTF-8")


# What DuckDB's CSV reader and Python's understand in different ways: blanks around a quoted value,
# a lone carriage return. Several patterns, because one with alternatives is ten times as slow.
_AMBIGUITIES = [
    re.compile(pattern)
    for pattern in (
        rb"\r(?!\n)",
        rb',[ \t]+"',
        rb'(?m:^)[ \t]+"',
        rb'"[ \t]+[,\r\n]',
        rb'"[ \t]+\Z',
    )
]
# Where DuckDB does not notice surplus values: empty values at a line's end, doubled quotes.
_SURPLUS_VALUES = [re.compile(pattern) for pattern in (rb",[ \t]*(\r?\n|\Z)", rb'""')]
_BLANK_LINE = re.compile(rb"(?m)^\r?\n")


def count_unambiguous_records(path: Path, columns: int) -> int | None:
    """The number of a CSV file's records, None if the two readers could understand it differently.

    `columns` is the number of columns in the header.
    """
    # DuckDB accepts bytes that are not UTF-8, and drops what follows a quote that is never closed.
    decoder = codecs.getincrementaldecoder("utf-8")()
    quotes = ends = carriage_returns = line_ends = blank_lines = commas = 0
    may_have_surplus, last = False, b"\n"
    try:
        with path.open("rb") as stream:
            for block in _whole_lines(stream):
                decoder.decode(block)
                if b"\0" in block or any(oddity.search(block) for oddity in _AMBIGUITIES):
                    return None
                may_have_surplus = may_have_surplus or any(
                    pattern.search(block) for pattern in _SURPLUS_VALUES
                )
                pieces = block.split(b'"')
                # Every second piece lies between quotes.
                outside = pieces[quotes % 2 :: 2]
                ends += sum(piece.count(b"\n") for piece in outside)
                carriage_returns += sum(piece.count(b"\r\n") for piece in outside)
                quotes += len(pieces) - 1
                line_ends += block.count(b"\n")
                blank_lines += len(_BLANK_LINE.findall(block))
                commas += block.count(b",")
                last = block[-1:]
            decoder.decode(b"", final=True)
    except (UnicodeDecodeError, _RecordTooLongError):
        return None
    if quotes % 2 or carriage_returns not in (0, line_ends) or (quotes and blank_lines):
        return None
    rows = ends + (last != b"\n") - blank_lines
    if may_have_surplus and not _has_columns(path, columns, quotes, commas, rows):
        return None
    return max(rows - 1, 0)


def _has_columns(path: Path, columns: int, quotes: int, commas: int, rows: int) -> bool:
    """Whether every row has as many values as there are columns."""
    if not quotes:
        return commas == rows * (columns - 1)
    with path.open(encoding="utf-8-sig", newline="") as text:
        try:
            return all(len(row) == columns for row in csv.reader(text, strict=True) if row)
        except csv.Error:
            return False


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """A file in pieces of whole lines. Raises _RecordTooLongError for a line that is too long to
    hold in memory."""
    while block := stream.read(CHUNK):
        if not block.endswith(b"\n"):
            block += stream.readline(MAX_LINE_BYTES)
            if not block.endswith(b"\n") and stream.read(1):
                raise _RecordTooLongError
        yield block


class _RecordTooLongError(Exception):
    pass


def csv_records(stream: BinaryIO, layout: CsvLayout) -> Iterator[Line | BadLine]:
    """The records of a CSV file after its header, without blank lines."""
    rows = _csv_rows(stream, layout)
    if layout.has_header:
        next(rows, None)
    for row in rows:
        if isinstance(row, BadLine):
            yield row
            continue
        line_number, values, raw = row
        if len(values) != len(layout.names):
            yield bad_line(line_number, "wrong_number_of_columns", raw)
        elif _has_stray_bytes(values):
            yield bad_line(line_number, "invalid_encoding", raw)
        else:
            yield Line(line_number, tuple(values))


def _has_stray_bytes(values: Sequence[str]) -> bool:
    return any("\udc80" <= character <= "\udcff" for value in values for character in value)


class _LineTooLongError(Exception):
    pass


@dataclass(frozen=True)
class _LongLine:
    """The length in bytes and the SHA-256 of a line that is too long to keep."""

    length: int
    sha256: str


def _text_lines(stream: BinaryIO) -> Iterator[str | _LongLine]:
    """A file's lines as text, with their line ends. Bytes that are not UTF-8 are escaped."""
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    while line := text.readline(MAX_LINE_BYTES):
        if len(line) < MAX_LINE_BYTES or line.endswith(("\n", "\r")):
            yield line
            continue
        digest, length = hashlib.sha256(), 0
        while line:
            is_end = line.endswith(("\n", "\r"))
            raw = _raw([line]) if is_end else line.encode("utf-8", errors="surrogateescape")
            digest.update(raw)
            length += len(raw)
            line = "" if is_end else text.readline(CHUNK)
        yield _LongLine(length, digest.hexdigest())


class _PhysicalLines:
    """A file's lines. Those of the current record can be returned, to be read once more."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = _text_lines(stream)
        self._returned: deque[str | _LongLine] = deque()
        self.record: list[str | _LongLine] = []
        self._record_length = 0
        self.number = 0  # lines read and not returned

    def __iter__(self) -> _PhysicalLines:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.record.append(line)
        self.number += 1
        if isinstance(line, _LongLine):
            raise _LineTooLongError
        self._record_length += len(line)
        if self._record_length > MAX_CSV_RECORD and len(self.record) > 1:
            raise _RecordTooLongError
        return line

    @property
    def texts(self) -> list[str]:
        """The lines of the current record, if it was read to its end."""
        return [line for line in self.record if isinstance(line, str)]

    def skip(self, count: int) -> None:
        """Pass over the first lines."""
        for _ in range(count):
            next(self._lines, None)
        self.number += count

    def begin_record(self) -> None:
        self.record.clear()
        self._record_length = 0

    def return_all_but_first(self) -> None:
        self.number -= len(self.record) - 1
        self._returned.extendleft(reversed(self.record[1:]))


def _csv_rows(
    stream: BinaryIO, layout: CsvLayout = _USUAL
) -> Iterator[tuple[int, list[str], bytes] | BadLine]:
    """Each row: the number of its first line, its values, its bytes.

    If a row cannot be read, only its first line is a bad line. Reading goes on with the next line,
    so that a quote that is never closed does not cost the rest of the file.
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    lines = _PhysicalLines(stream)
    lines.skip(layout.skip)
    new_reader = partial(
        csv.reader,
        lines,
        strict=True,
        delimiter=layout.delimiter,
        quotechar=layout.quote,
        escapechar=layout.escape,
        doublequote=layout.escape is None,
    )
    reader = new_reader()
    while True:
        lines.begin_record()
        first = lines.number + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except (csv.Error, _RecordTooLongError, _LineTooLongError):
            line = lines.record[0]
            lines.return_all_but_first()
            reader = new_reader()
            if isinstance(line, _LongLine):
                yield BadLine(first, "line_too_long", line.length, line.sha256)
            else:
                yield bad_line(first, "malformed_csv", _raw([line]))
            continue
        if "".join(lines.texts).strip():
            yield first, row, _raw(lines.texts)


def _raw(physical_lines: Sequence[str]) -> bytes:
    """A record's bytes as they are in the file, without the last line end."""
    text = "".join(physical_lines).removesuffix("\n").removesuffix("\r")
    return text.encode("utf-8", errors="surrogateescape")
