"""Lines of text files that are read line by line, and the errors of reading them.

A line's number is that of the physical line in the file, from 1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

# A longer line is rejected unread, because it could fill the memory by itself.
MAX_LINE_BYTES = 80 * 1024 * 1024
CHUNK = 1024 * 1024


class UnreadableFileError(Exception):
    """A file that cannot be read at all: it is broken off, has no header, or is not of its kind."""


@dataclass(frozen=True)
class BadLine:
    """A line that is not a record of its format. Its length in bytes and its SHA-256 are kept."""

    number: int
    reason: str
    length: int
    sha256: str


@dataclass(frozen=True)
class Line:
    """A line's text, which may or may not be JSON, or a CSV record's values in the header's order.

    The number of a CSV record is that of its first line.
    """

    number: int
    values: tuple[str, ...]


def bad_line(line_number: int, reason: str, raw: bytes) -> BadLine:
    """The bad line with these bytes."""
    return BadLine(line_number, reason, len(raw), hashlib.sha256(raw).hexdigest())
