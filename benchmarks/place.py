"""Landing files and warehouses that the job is timed on."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb

from benchmarks.data import make_day
from benchmarks.engines.bill import bill_text
from benchmarks.measure import Timing, timed

FIRST = date(2025, 1, 1)


@dataclass(frozen=True)
class Night:
    """A run that settled a day: how long it took, by step, and the day's bill."""

    timing: Timing
    steps: dict[str, float]
    bill: str


@dataclass
class Place:
    """A landing folder, and a warehouse that has settled the usage dates from FIRST up to the one
    before `day`. What lies there already is used as it is."""

    folder: Path
    day: date
    settled: Path = field(init=False)

    def __post_init__(self) -> None:
        self.settled = self.folder / f"settled before {self.day}"

    def history(self, calls: int, owners: int, *, files: int = 1) -> None:
        """Settle the days before, each with so many calls, in one run."""
        days = (self.day - FIRST).days
        for n in range(days):
            make_day(self.landing, FIRST + timedelta(days=n), calls, owners,
                     first=n * 10**9, files=files)  # fmt: skip
        if not (self.settled / "published" / "current").exists():
            shutil.rmtree(self.settled, ignore_errors=True)
            self.run(self.settled, self.day - timedelta(days=1))

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    def calls(self, calls: int, owners: int, *, packed: str = "") -> Path:
        """The day's own calls; the folder of their files."""
        # No two days have an id in common.
        return make_day(self.landing, self.day, calls, owners, packed=packed,
                        first=(self.day - FIRST).days * 10**9)  # fmt: skip

    def run(self, place: Path, used_on: date, *arguments: object) -> Timing:
        """The job, through the day after a usage date."""
        return timed(
            [
                Path(sys.executable).with_name("callbill"), "run", "--json-logs",
                *("--landing", self.landing), *("--warehouse", place / "warehouse.duckdb"),
                *("--published", place / "published"),
                *("--through", used_on + timedelta(days=1)), *arguments,
            ]
        )  # fmt: skip

    def night(self) -> Night:
        """The run that settles the day, in a fresh copy of the warehouse."""
        place = self.folder / "night"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.settled, place, symlinks=True, copy_function=_copy)
        return self._night(place)

    def again(self) -> Night:
        """The run after that: nothing is due any more."""
        return self._night(self.folder / "night")

    def kept(self) -> int:
        """How many bytes the last night added to the warehouse and to what is published."""
        return _size(self.folder / "night") - _size(self.settled)

    def _night(self, place: Path) -> Night:
        timing = self.run(place, self.day)
        status = json.loads((place / "published" / "status" / "last_run.json").read_text())
        return Night(timing, status["step_seconds"], bill_of(place, self.day))


def _size(folder: Path) -> int:
    """The bytes of a folder's files, each once whatever names it has."""
    entries = [path.lstat() for path in folder.rglob("*") if path.is_file()]
    return sum({(entry.st_dev, entry.st_ino): entry.st_size for entry in entries}.values())


def _copy(source: str, target: str) -> None:
    """The job knows its Parquet files by their inodes, and never writes to one again."""
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def bill_of(place: Path, used_on: date) -> str:
    """The published bill of a usage date, as text like that of the engines."""
    database = place / "published" / "current" / "callbill.duckdb"
    with duckdb.connect(str(database), read_only=True) as con:
        rows = con.execute(
            "select owner_uin, usage_date, calls, real_cost from billing.bill_lines"
            " where usage_date = ?",
            [used_on],
        ).fetchall()
    return bill_text(rows)
