"""Where a warehouse keeps its files: a database file, and a folder of the same name beside it.

data/warehouse.duckdb                the database
data/warehouse.duckdb.files/
    raw/call_logs/                   accepted records, a folder per settlement floor
    int_calls/                       calls, a folder per settlement date
    loading/                         what a load has written and not yet committed
    unknown/                         files of a warehouse that is gone, for a while
    scratch/                         files unpacked while they are read
    spill/                           what the engine cannot keep in memory
    dbt/                             what dbt parsed, and its logs
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

# The relation of calls, which is kept as Parquet: its folder and its files are named after it.
CALLS = "int_calls"
# A folder of this date holds one empty file, so that a view over a folder always has a file to
# learn its columns from. The materialization settlement_partitions writes the one of calls.
EMPTY_DATE = date.min


@dataclass(frozen=True)
class Layout:
    """The paths of a warehouse, from that of its database."""

    database: Path

    @property
    def log(self) -> Path:
        """What was committed and is not yet in the database file itself."""
        return self._beside(".wal")

    @property
    def files(self) -> Path:
        return self._beside(".files")

    @property
    def lock(self) -> Path:
        return self._beside(".lock")

    @property
    def dry_run(self) -> Layout:
        """The copy that a dry run works on."""
        return Layout(self._beside(".dry-run") / self.database.name)

    def replaced(self, run_id: str) -> Path:
        """The folder that a rebuild moves the warehouse to which it replaces."""
        return self._beside(f".replaced-{run_id}")

    @property
    def all_replaced(self) -> list[Path]:
        return sorted(self.database.parent.glob(f"{self.database.name}.replaced-*"))

    def raw(self, relation: str) -> Path:
        """The folder of the Parquet files behind `raw.<relation>`."""
        return self.files / "raw" / relation

    @property
    def calls(self) -> Path:
        return self.files / CALLS

    def calls_of(self, settled_on: date) -> Path:
        return self.calls / f"settled_on={settled_on}"

    def call_dates(self) -> dict[date, Path]:
        """The folder of each settlement date that has one."""
        folders = {
            date.fromisoformat(path.name.removeprefix("settled_on=")): path
            for path in sorted(self.calls.glob("settled_on=*"))
        }
        folders.pop(EMPTY_DATE, None)
        return folders

    @property
    def loading(self) -> Path:
        return self.files / "loading"

    @property
    def unknown(self) -> Path:
        return self.files / "unknown"

    @property
    def scratch(self) -> Path:
        return self.files / "scratch"

    @property
    def spill(self) -> Path:
        return self.files / "spill"

    @property
    def dbt(self) -> Path:
        return self.files / "dbt"

    def _beside(self, suffix: str) -> Path:
        return self.database.with_name(self.database.name + suffix)
