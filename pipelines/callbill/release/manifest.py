"""The manifest of a release: what it was made of, and the hashes of what it says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from callbill.base.errors import UsageError
from callbill.base.settings import BillingVars

MANIFEST = "manifest.json"
# 1 (callbill 0.1) does not say which lines were rejected, withdrawn or read again.
FORMAT = 2


@dataclass(frozen=True)
class Lines:
    """Some lines of a file: only those of some numbers, or all but those."""

    numbers: frozenset[int]
    only: bool

    def __contains__(self, number: int) -> bool:
        return (number in self.numbers) is self.only

    @property
    def condition(self) -> str:
        """The same for SQL, of a `line_number`."""
        if not self.numbers:
            return str(not self.only)
        numbers = ", ".join(map(str, sorted(self.numbers)))
        return f"line_number {'' if self.only else 'not '}in ({numbers})"


ALL_LINES = Lines(frozenset(), only=False)


@dataclass(frozen=True)
class Retry:
    """Lines of a file that were rejected at first, and accepted when they were read again."""

    settlement_floor: date
    line_numbers: tuple[int, ...]

    @property
    def lines(self) -> Lines:
        return Lines(frozenset(self.line_numbers), only=True)


@dataclass(frozen=True)
class SourceLoad:
    """A loaded file, as the warehouse can be made again from it."""

    source_file_id: str
    feed: str
    path: str
    format: str
    arrived_on: date
    settlement_floor: date
    quarantine_reason: str | None = None
    retries: tuple[Retry, ...] = ()
    # Lines that were rejected by themselves and never accepted since, such as "3-17,20"; "all" of a
    # file that could not be read; None where it is not known.
    rejected_lines: str | None = None

    @property
    def rejected(self) -> Lines | None:
        """The lines that stay rejected, whatever today's rules say of them; None for none."""
        if not self.rejected_lines:
            return None
        if self.rejected_lines == "all":
            return ALL_LINES
        numbers: set[int] = set()
        for part in self.rejected_lines.split(","):
            first, _, last = part.partition("-")
            numbers.update(range(int(first), int(last or first) + 1))
        return Lines(frozenset(numbers), only=True)

    @property
    def lines_at_first(self) -> Lines | None:
        """What to read of it before the retries; None for all."""
        later = frozenset(number for retry in self.retries for number in retry.line_numbers)
        return Lines(later, only=False) if later else None


@dataclass(frozen=True)
class Manifest:
    """What `published/current` says of itself."""

    run_id: str
    through: date
    versions: dict[str, str]
    vars: dict[str, Any]
    seeds: dict[str, list[list[str]]]
    loads: list[SourceLoad]
    settlement_hashes: dict[date, str]
    table_hashes: dict[str, str]

    @property
    def first_settlement(self) -> date:
        return min(self.settlement_hashes)

    @property
    def known(self) -> dict[tuple[str, str], SourceLoad]:
        """The loads by feed and content."""
        return {(load.feed, load.source_file_id): load for load in self.loads}

    def write(self, folder: Path) -> None:
        said = {
            "format": FORMAT,
            "run_id": self.run_id,
            "through": self.through,
            "versions": self.versions,
            "vars": self.vars,
            "seeds": self.seeds,
            "table_hashes": self.table_hashes,
            "settlement_hashes": {str(day): text for day, text in self.settlement_hashes.items()},
            "loads": [asdict(load) for load in self.loads],
        }
        text = json.dumps(said, indent=1, default=str, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a release folder; UsageError if it cannot be made out."""
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if said["format"] not in (1, FORMAT):
            raise UsageError(
                f"release {folder} has manifest format {said['format']}; "
                f"this callbill reads formats up to {FORMAT}"
            )
        return Manifest(
            run_id=said["run_id"],
            through=date.fromisoformat(said["through"]),
            versions=said["versions"],
            vars=said["vars"],
            seeds=said["seeds"],
            loads=[
                SourceLoad(
                    source_file_id=load["source_file_id"],
                    feed=load["feed"],
                    path=load["path"],
                    format=load["format"],
                    arrived_on=date.fromisoformat(load["arrived_on"]),
                    settlement_floor=date.fromisoformat(load["settlement_floor"]),
                    quarantine_reason=load.get("quarantine_reason"),
                    rejected_lines=load.get("rejected_lines"),
                    retries=tuple(
                        Retry(
                            settlement_floor=date.fromisoformat(retry["settlement_floor"]),
                            line_numbers=tuple(retry["line_numbers"]),
                        )
                        for retry in load.get("retries", ())
                    ),
                )
                for load in said["loads"]
            ],
            settlement_hashes={
                date.fromisoformat(day): text for day, text in said["settlement_hashes"].items()
            },
            table_hashes=said["table_hashes"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"the manifest of release {folder} cannot be read: {error}") from error


def as_ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers as a manifest has them: 1, 2, 3 and 7 are "1-3,7"."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = ranges[-1][0], number
        else:
            ranges.append((number, number))
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)


def figure_vars(billing_vars: BillingVars) -> dict[str, Any]:
    """The vars that figures depend on, as a manifest keeps them."""
    return asdict(billing_vars)
