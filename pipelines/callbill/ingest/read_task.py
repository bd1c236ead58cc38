"""The task of reading a batch of files, and its outcome.

Both are plain data and complete: reading needs nothing else, and can run in any process
(callbill.tasks.ingest).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from callbill.base.errors import CallbillError
from callbill.warehouse.loads import LineSelection


class OtherContentError(CallbillError):
    """A file has another content where it is read than was listed."""


@dataclass(frozen=True)
class FileToRead:
    """A file to read, or some of its lines.

    Without a settlement floor each record settles on the day after its usage. `lines` selects the
    lines to read, None for all. `rejected` selects the lines that stay rejected
    whatever today's rules say: those that are rejected in the release that names the file.
    """

    path: Path
    name: str
    compression: str
    source_file_id: str
    arrived_on: date
    settlement_floor: date | None
    lines: LineSelection | None = None
    rejected: LineSelection | None = None
    # Its place in the .zip that `path` leads to, None if it lies there itself.
    member: int | None = None

    @property
    def is_judged_by_line(self) -> bool:
        """Whether a line's number, and not only its content, decides what happens to it."""
        return self.lines is not None or self.rejected is not None


@dataclass(frozen=True)
class ReadTask:
    """Files of one feed, shape and kind, to be read into Parquet files in `folder`."""

    # The beginning of the names of all files written.
    name: str
    feed: str
    shape: str
    kind: str
    billing_timezone: str
    reading_rules: int
    files: tuple[FileToRead, ...]
    folder: Path
    # For unpacked files. It is emptied before and removed after.
    scratch: Path
    # Into how many buckets records are divided.
    buckets: int = 1
    # The text of the shape's file, if the shape is a place's own.
    declaration: str = ""
    # Whether what is read is held against each file's SHA-256: who reads may see other files than
    # who listed them.
    check_content: bool = False


@dataclass
class FileOutcome:
    """How many of a file's lines were accepted and rejected."""

    accepted: int = 0
    rejected: int = 0
    # How many of the rejected were attempts that reached no server.
    never_reached: int = 0
    # Why the file could not be read, None if it could.
    unreadable: str | None = None
    # The first settlement date of a record, as text, for a file without a settlement floor.
    first_settled_on: str | None = None
    # By field, the number of accepted values that something was taken off.
    cleaned: dict[str, int] = field(default_factory=dict)


@dataclass
class ReadOutcome:
    """The outcome of a task. Paths are relative to the task's folder."""

    # By source_file_id.
    files: dict[str, FileOutcome] = field(default_factory=dict)
    # Parquet files of accepted records. A feed kept as Parquet has a folder per settlement floor,
    # and in it one per bucket if there are several.
    parts: list[str] = field(default_factory=list)
    # Of each of these parts, how many records and bytes it has.
    sizes: dict[str, list[int]] = field(default_factory=dict)
    # The Parquet file of rejected lines, if there are any.
    rejects: str | None = None
