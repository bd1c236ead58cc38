"""Loads: which files were loaded, which of their lines were rejected, which were read again.

These are plain data. A manifest lists them, and a rebuild loads the same files from them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

# Why an account event is rejected that is valid by itself, but not after those known before it.
ID_REUSED = "event_id_of_another_event"
UNBLOCKS_TOO_MUCH = "unblocks_more_than_is_frozen"
MOVES_TOO_MUCH = "account_beyond_range"
EVENT_VERDICT_REASONS = (ID_REUSED, UNBLOCKS_TOO_MUCH, MOVES_TOO_MUCH)

# A delivery's feed and id. The id of the first delivery of some content is its SHA-256.
FileKey = tuple[str, str]
SHA256_LENGTH = 64

# The arrival of a file that was delivered without a date before anything was sealed.
HISTORY = "history"


def later_delivery(sha256: str, arrived_on: date) -> str:
    """The id of content that was delivered before, and again on a later stated date."""
    return f"{sha256}@{arrived_on}"


@dataclass(frozen=True)
class LineSelection:
    """Some lines of a file: only those with these numbers, or all others."""

    numbers: frozenset[int]
    only: bool

    def __contains__(self, number: int) -> bool:
        return (number in self.numbers) is self.only

    @property
    def condition(self) -> str:
        """The selection as a condition in SQL on `line_number`."""
        if not self.numbers:
            return str(not self.only)
        numbers = ", ".join(map(str, sorted(self.numbers)))
        return f"line_number {'' if self.only else 'not '}in ({numbers})"


ALL_LINES = LineSelection(frozenset(), only=False)


@dataclass(frozen=True)
class Retry:
    """Lines of a file that were rejected first, and accepted when they were read again."""

    settlement_floor: date
    line_numbers: tuple[int, ...]
    reading_rules: int = 1
    # The text of the shape's file that they were read by, if the shape is a place's own.
    declaration: str = ""

    @property
    def lines(self) -> LineSelection:
        return LineSelection(frozenset(self.line_numbers), only=True)


@dataclass(frozen=True)
class SourceLoad:
    """A loaded file, with all that is needed to load it again in the same way."""

    source_file_id: str
    feed: str
    path: str
    format: str
    arrived_on: date
    settlement_floor: date
    quarantine_reason: str | None = None
    retries: tuple[Retry, ...] = ()
    # Lines that are rejected by judge.sql, such as "3-17,20". "all" for a file that could not be
    # read, None if it is not known.
    rejected_lines: str | None = None
    # The version of the reading rules and the SHA-256 of the shape that the file was read by.
    reading_rules: int = 1
    shape_sha256: str | None = None
    # HISTORY for a file without a date that was loaded before anything was sealed.
    arrival: str | None = None
    # The text of the shape's file, if the shape is a place's own.
    declaration: str = ""

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file's bytes."""
        return self.source_file_id[:SHA256_LENGTH]

    @property
    def key(self) -> FileKey:
        return self.feed, self.source_file_id

    @property
    def rejected(self) -> LineSelection | None:
        """The lines that stay rejected, whatever today's rules say. None if there are none."""
        if not self.rejected_lines:
            return None
        if self.rejected_lines == "all":
            return ALL_LINES
        numbers: set[int] = set()
        for part in self.rejected_lines.split(","):
            first, _, last = part.partition("-")
            numbers.update(range(int(first), int(last or first) + 1))
        return LineSelection(frozenset(numbers), only=True)

    @property
    def lines_before_retries(self) -> LineSelection | None:
        """The lines to read before the retries, None for all."""
        later = frozenset(number for retry in self.retries for number in retry.line_numbers)
        return LineSelection(later, only=False) if later else None


def as_ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers in the form of a manifest: 1, 2, 3 and 7 are "1-3,7"."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = ranges[-1][0], number
        else:
            ranges.append((number, number))
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)
