"""The paths of a warehouse: a database file, and a folder of the same name beside it.

data/warehouse.duckdb                the database
data/warehouse.duckdb.files/
    raw/call_logs/                   accepted records, a folder per settlement floor
    int_calls/                       calls, a folder per settlement date
    int_calls_again/                 the states of calls with several records, likewise
    loading/                         files that a load has written and not yet committed
    building/                        what the tasks of a run write, until it is moved
    verify/                          what the tasks of a verification write, until it ends
    unknown/                         files that the database does not name, until a run removes them
    scratch/                         unpacked files while they are read
    spill/                           temporary data that DuckDB cannot keep in memory
    dbt/                             the models as dbt parsed and compiled them

No other module knows these names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

# The models that are kept as Parquet, in a folder per settlement date. Their folders and files have
# these names.
CALLS = "int_calls"
CALL_STATES = "int_calls_again"
# The folders, of those below, with what the tasks of a run read and write.
FOLDERS_OF_TASKS = ("raw", CALLS, CALL_STATES, "loading", "building")
# The folder of this date holds one empty file, from which a view over all folders takes its columns
# even if there is no other file. It has the columns of those files.
EMPTY_DATE = date.min
EMPTY_FILE = "empty.parquet"
# The names of files of accepted records begin so if these have the column `attributes`. Those of
# before have it not, and cannot be read in one go with the others.
WITH_ATTRIBUTES = "a."


@dataclass(frozen=True)
class Layout:
    """The paths of a warehouse, derived from that of its database."""

    database: Path

    @property
    def log(self) -> Path:
        """DuckDB's write-ahead log: committed changes that are not yet in the database file."""
        return self._beside(".wal")

    @property
    def files(self) -> Path:
        return self._beside(".files")

    @property
    def lock(self) -> Path:
        return self._beside(".lock")

    @property
    def dry_run(self) -> Layout:
        """The layout of the copy that a dry run works on."""
        return Layout(self._beside(".dry-run") / self.database.name)

    @property
    def replacing(self) -> Path:
        """The folder of the warehouse that a rebuild is about to replace."""
        return self._beside(".replacing")

    def replaced(self, run_id: str) -> Path:
        """The folder of a warehouse that a rebuild replaced."""
        return self._beside(f".replaced-{run_id}")

    @property
    def all_replaced(self) -> list[Path]:
        """The folders of all replaced warehouses."""
        return sorted(self.database.parent.glob(f"{self.database.name}.replaced-*"))

    def raw(self, relation: str) -> Path:
        """The folder of the Parquet files behind `raw.<relation>`."""
        return self.files / "raw" / relation

    def by_date(self, model: str) -> Path:
        """The folder of a model that is kept by settlement date."""
        return self.files / model

    def of_date(self, model: str, settled_on: date) -> Path:
        """The folder of one settlement date."""
        return self.by_date(model) / f"settled_on={settled_on}"

    def dates(self, model: str) -> dict[date, Path]:
        """The existing folders by settlement date, in order."""
        folders = {
            date.fromisoformat(path.name.removeprefix("settled_on=")): path
            for path in sorted(self.by_date(model).glob("settled_on=*"))
        }
        folders.pop(EMPTY_DATE, None)
        return folders

    def empty(self, model: str) -> Path:
        """The file that the columns of a model are taken from."""
        return self.of_date(model, EMPTY_DATE) / EMPTY_FILE

    @property
    def loading(self) -> Path:
        return self.files / "loading"

    @property
    def building(self) -> Path:
        return self.files / "building"

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

    @property
    def plans(self) -> Path:
        """The compiled models."""
        return self.dbt / "plans"

    def _beside(self, suffix: str) -> Path:
        return self.database.with_name(self.database.name + suffix)
