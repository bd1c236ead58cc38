"""CSV: read whole by the engine, or record by record by Python's reader.

The two read some files in different ways. `plain_records` knows where, so that a record does not
depend on what else is in its file.
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
from pathlib import Path
from typing import BinaryIO

from callbill.base.sql import identifier, literal
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
from callbill.ingest.shapes import Shape

# A CSV record of several lines ends somewhere: past this its opening quote was a mistake.
MAX_CSV_RECORD = 1024 * 1024


def whole_files(shape: Shape, header: Sequence[str], paths: Sequence[Path]) -> Relation:
    """The records of whole files that have one header."""
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


def read_header(path: Path) -> list[str]:
    """The column names of a CSV file, none if it is empty.

    Raises UnreadableFileError if a column is named twice or the header is not UTF-8.
    """
    with path.open("rb") as stream:
        first = next(_csv_rows(stream), None)
    if first is None:
        return []
    if isinstance(first, BadLine):
        raise UnreadableFileError(f"has no readable header: {first.reason}")
    header = [name.strip() for name in first[1]]
    if len(set(header)) < len(header) or _has_stray_bytes(header):
        raise UnreadableFileError("has a header that names a column twice or is not UTF-8")
    return header


# What the engine's CSV reader and this module's would read in different ways: blanks around a
# quoted value, a lone carriage return. One by one: a pattern of alternatives is ten times as slow.
_CSV_ODDITIES = [
    re.compile(pattern)
    for pattern in (
        rb"\r(?!\n)",
        rb',[ \t]+"',
        rb'(?m:^)[ \t]+"',
        rb'"[ \t]+[,\r\n]',
        rb'"[ \t]+\Z',
    )
]
# Where the engine overlooks values too many: empty ones at a line's end, doubled quotes.
_CSV_OVERLOOKED = [re.compile(pattern) for pattern in (rb",[ \t]*(\r?\n|\Z)", rb'""')]
_BLANK_LINE = re.compile(rb"(?m)^\r?\n")


def plain_records(path: Path, columns: int) -> int | None:
    """How many records a CSV file has, if there is nothing in it that two readers could take for
    two things; otherwise None."""
    # The engine lets bytes pass that are no UTF-8, and leaves out what follows a quote that is
    # never closed.
    decoder = codecs.getincrementaldecoder("utf-8")()
    quotes = ends = carriage_returns = line_ends = blank_lines = commas = 0
    is_overlooked, last = False, b"\n"
    try:
        with path.open("rb") as stream:
            for block in _whole_lines(stream):
                decoder.decode(block)
                if b"\0" in block or any(oddity.search(block) for oddity in _CSV_ODDITIES):
                    return None
                is_overlooked = is_overlooked or any(
                    pattern.search(block) for pattern in _CSV_OVERLOOKED
                )
                pieces = block.split(b'"')
                # Of every two pieces one lies between quotes.
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
    if is_overlooked and not _has_columns(path, columns, quotes, commas, rows):
        return None
    return max(rows - 1, 0)


def _has_columns(path: Path, columns: int, quotes: int, commas: int, rows: int) -> bool:
    """Whether every row has so many values."""
    if not quotes:
        return commas == rows * (columns - 1)
    with path.open(encoding="utf-8-sig", newline="") as text:
        try:
            return all(len(row) == columns for row in csv.reader(text, strict=True) if row)
        except csv.Error:
            return False


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """A file in pieces of whole lines. Raises _RecordTooLongError for a line that could fill the
    memory."""
    while block := stream.read(CHUNK):
        if not block.endswith(b"\n"):
            block += stream.readline(MAX_LINE_BYTES)
            if not block.endswith(b"\n") and stream.read(1):
                raise _RecordTooLongError
        yield block


class _RecordTooLongError(Exception):
    pass


def csv_records(stream: BinaryIO, header: Sequence[str]) -> Iterator[Line | BadLine]:
    """The records of a CSV file after its header, blank lines left out."""
    rows = _csv_rows(stream)
    next(rows, None)
    for row in rows:
        if isinstance(row, BadLine):
            yield row
            continue
        line_number, values, raw = row
        if len(values) != len(header):
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
    """A line too long to be kept: its length and hash."""

    length: int
    sha256: str


def _text_lines(stream: BinaryIO) -> Iterator[str | _LongLine]:
    """A file's lines as text, bytes that are no UTF-8 escaped, with their ends."""
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
    """A file's lines, remembering those of the record at hand so that they can be given back."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = _text_lines(stream)
        self._returned: deque[str | _LongLine] = deque()
        self.record: list[str | _LongLine] = []
        self._record_length = 0
        self.number = 0  # lines given out and not given back

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
        """The lines of a record that was read to its end."""
        return [line for line in self.record if isinstance(line, str)]

    def begin_record(self) -> None:
        self.record.clear()
        self._record_length = 0

    def give_back_all_but_first(self) -> None:
        self.number -= len(self.record) - 1
        self._returned.extendleft(reversed(self.record[1:]))


def _csv_rows(stream: BinaryIO) -> Iterator[tuple[int, list[str], bytes] | BadLine]:
    """Rows with the number of their first line and their bytes. A line that begins no record is
    given up alone: an unclosed quote must not take the rest of the file with it."""
    csv.field_size_limit(MAX_LINE_BYTES)
    lines = _PhysicalLines(stream)
    reader = csv.reader(lines, strict=True)
    while True:
        lines.begin_record()
        first = lines.number + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except (csv.Error, _RecordTooLongError, _LineTooLongError):
            line = lines.record[0]
            lines.give_back_all_but_first()
            reader = csv.reader(lines, strict=True)
            if isinstance(line, _LongLine):
                yield BadLine(first, "line_too_long", line.length, line.sha256)
            else:
                yield bad_line(first, "malformed_csv", _raw([line]))
            continue
        if "".join(lines.texts).strip():
            yield first, row, _raw(lines.texts)


def _raw(physical_lines: Sequence[str]) -> bytes:
    """A record's bytes as they lie in the file, without the end of its last line."""
    text = "".join(physical_lines).removesuffix("\n").removesuffix("\r")
    return text.encode("utf-8", errors="surrogateescape")
