"""What is asked of a reader, and what it answers: all that a task has to know, and nothing else.

Tasks and outcomes are plain data, so that a task can be run anywhere (callbill.tasks.ingest).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from callbill.warehouse.loads import LineSelection


@dataclass(frozen=True)
class FileToRead:
    """A file, or some of its lines: those that were rejected are read again, or those that will be
    are left out. Of a file that a release names, what was rejected then stays rejected."""

    path: Path
    name: str
    compression: str
    source_file_id: str
    arrived_on: date
    settlement_floor: date
    lines: LineSelection | None = None
    rejected: LineSelection | None = None

    @property
    def is_judged_by_line(self) -> bool:
        """Whether more decides on its lines than what they say."""
        return self.lines is not None or self.rejected is not None


@dataclass(frozen=True)
class ReadTask:
    """Files of one feed, shape and kind, to be read into `folder`."""

    # What the files that are written are named by.
    name: str
    feed: str
    shape: str
    kind: str
    billing_timezone: str
    reading_rules: int
    files: tuple[FileToRead, ...]
    folder: Path
    # Emptied before and after.
    scratch: Path


@dataclass
class FileOutcome:
    """What became of a file's lines: all that were read were accepted or rejected."""

    accepted: int = 0
    rejected: int = 0
    # Why it could not be read at all.
    unreadable: str | None = None


@dataclass
class ReadOutcome:
    """What a task came to. Paths are relative to its folder."""

    files: dict[str, FileOutcome] = field(default_factory=dict)
    # Parquet files of accepted records, by settlement floor where the feed keeps them so.
    parts: list[str] = field(default_factory=list)
    # A Parquet file of what was rejected.
    rejects: str | None = None
