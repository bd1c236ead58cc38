"""Reading a file line by line, for files that cannot be read whole at the engine's speed.

Lines come out exactly as they lie in the file, numbered from 1; what cannot even be a line of its
format is told apart here, everything else is judged by the feed's validation query.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import re
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard

# A record longer than this is not read as one: it could fill the memory by itself.
MAX_LINE_BYTES = 80 * 1024 * 1024
# A CSV record of several lines ends somewhere: past this its opening quote was a mistake.
MAX_CSV_RECORD = 1024 * 1024
_CHUNK = 1024 * 1024
# All that comes of a piece is in memory at once, and may be thirty thousand times as much.
_ZSTD_CHUNK = 8 * 1024


class UnreadableFileError(Exception):
    """A file that does not decompress to its end, or has no header, or cannot be opened."""


@dataclass(frozen=True)
class BadLine:
    """A line that is no record of its format: kept of it are its length and hash."""

    number: int
    reason: str
    length: int
    sha256: str


@dataclass(frozen=True)
class Line:
    """A line's text, not yet known to be JSON, or a CSV record's values in the header's order.

    A CSV record has the number of its first line.
    """

    number: int
    values: tuple[str, ...]


def decompress(path: Path, compression: str, target: Path) -> None:
    """Write a compressed file out plain; UnreadableFileError unless it is whole to its end."""
    chunks = {".gz": _gzip_chunks, ".zst": _zstd_chunks}[compression]
    if path.stat().st_size == 0:
        raise UnreadableFileError("is empty, which no compressed file is")
    with path.open("rb") as source, target.open("wb") as sink:
        for chunk in chunks(source):
            sink.write(chunk)


def _gzip_chunks(source: BinaryIO) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=source) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"does not decompress to its end: {error}") from error


def _zstd_chunks(source: BinaryIO) -> Iterator[bytes]:
    """All frames of a file; the library's own reader does not notice a missing end."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    data, inside = source.read(_ZSTD_CHUNK), False
    try:
        while data:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(data)
            inside = not frame.eof
            data = (frame.unused_data if frame.eof else b"") or source.read(_ZSTD_CHUNK)
    except zstandard.ZstdError as error:
        raise UnreadableFileError(f"does not decompress to its end: {error}") from error
    if inside:
        raise UnreadableFileError("does not decompress to its end: it ends inside a frame")


def document_as_line(path: Path, target: Path) -> None:
    """Write a JSON document out as one line. A list is what an answer lists."""
    with path.open("rb") as source, target.open("wb") as sink:
        chunk = source.read(_CHUNK).removeprefix(codecs.BOM_UTF8).lstrip()
        is_list = chunk.startswith(b"[")
        if is_list:
            sink.write(b'{"DetailSet":')
        while chunk:
            # Within its texts there are no line ends.
            sink.write(chunk.replace(b"\n", b" "))
            chunk = source.read(_CHUNK)
        if is_list:
            sink.write(b"}")


def json_lines(stream: BinaryIO) -> Iterator[Line | BadLine]:
    """The lines of a JSON lines file that are not blank."""
    for line_number, raw in _lines(stream):
        if isinstance(raw, BadLine):
            yield raw
            continue
        stripped = raw.strip()
        if line_number == 1:
            stripped = stripped.removeprefix(b"\xef\xbb\xbf")
        if not stripped:
            continue
        try:
            yield Line(line_number, (stripped.decode("utf-8"),))
        except UnicodeDecodeError:
            yield _bad(line_number, "invalid_encoding", stripped)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | BadLine]]:
    line_number, pending = 0, bytearray()
    oversized: hashlib._Hash | None = None
    oversized_length = 0
    while chunk := stream.read(_CHUNK):
        *whole, last = chunk.split(b"\n")
        for piece in whole:
            line_number += 1
            if oversized is not None:
                oversized.update(piece)
                yield (
                    line_number,
                    BadLine(
                        line_number,
                        "line_too_long",
                        oversized_length + len(piece),
                        oversized.hexdigest(),
                    ),
                )
                oversized = None
            else:
                yield line_number, bytes(pending) + piece
            pending.clear()
        if oversized is not None:
            oversized.update(last)
            oversized_length += len(last)
        else:
            pending += last
            if len(pending) > MAX_LINE_BYTES:
                oversized, oversized_length = hashlib.sha256(pending), len(pending)
                pending.clear()
    if oversized is not None:
        bad = BadLine(line_number + 1, "line_too_long", oversized_length, oversized.hexdigest())
        yield line_number + 1, bad
    elif pending:
        yield line_number + 1, bytes(pending)


def _bad(line_number: int, reason: str, raw: bytes) -> BadLine:
    return BadLine(line_number, reason, len(raw), hashlib.sha256(raw).hexdigest())


def csv_header(path: Path) -> list[str]:
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


def plain_csv_records(path: Path, columns: int) -> int | None:
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
    while block := stream.read(_CHUNK):
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
            yield _bad(line_number, "wrong_number_of_columns", raw)
        elif _has_stray_bytes(values):
            yield _bad(line_number, "invalid_encoding", raw)
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
            line = "" if is_end else text.readline(_CHUNK)
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
                yield _bad(first, "malformed_csv", _raw([line]))
            continue
        if "".join(lines.texts).strip():
            yield first, row, _raw(lines.texts)


def _raw(physical_lines: Sequence[str]) -> bytes:
    """A record's bytes as they lie in the file, without the end of its last line."""
    text = "".join(physical_lines).removesuffix("\n").removesuffix("\r")
    return text.encode("utf-8", errors="surrogateescape")


def line_at(path: Path, compression: str, line_number: int) -> str:
    """A physical line of a file as text, bytes that are no UTF-8 escaped.

    Raises UnreadableFileError if the file does not decompress that far, or has no such line.
    """
    with path.open("rb") as source:
        chunks = {".gz": _gzip_chunks, ".zst": _zstd_chunks}.get(compression)
        stream = _Chunks(chunks(source)) if chunks else source
        for number, raw in _lines(stream):  # type: ignore[arg-type]
            if number == line_number:
                text = f"({raw.length} bytes)" if isinstance(raw, BadLine) else raw
                return text if isinstance(text, str) else text.decode("utf-8", "backslashreplace")
    raise UnreadableFileError(f"has no line {line_number} any more")


class _Chunks:
    """Chunks as a stream that is read in whatever pieces it has."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, _size: int) -> bytes:
        return next((chunk for chunk in self._chunks if chunk), b"")
