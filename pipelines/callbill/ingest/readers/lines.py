"""Lines as they lie in a file, numbered from 1, for files that cannot be read whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

# A record longer than this is not read as one: it could fill the memory by itself.
MAX_LINE_BYTES = 80 * 1024 * 1024
CHUNK = 1024 * 1024


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


def bad_line(line_number: int, reason: str, raw: bytes) -> BadLine:
    return BadLine(line_number, reason, len(raw), hashlib.sha256(raw).hexdigest())
