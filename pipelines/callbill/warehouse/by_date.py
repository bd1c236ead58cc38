"""Models with many rows, kept as Parquet: a folder per settlement date, and a view over them all.

A settlement date is written once. What lies in the folders of dates that are not sealed, an
unpublished run has left.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import duckdb

from callbill.base.sql import literal
from callbill.warehouse.layout import CALL_STATES, CALLS, EMPTY_DATE, Layout

# How records and calls are written. Reading the files again costs less than packing them well.
# Every id is different: trying a dictionary on them would take a sixth of the writing time.
PARQUET = (
    "format parquet, parquet_version v2, compression zstd, compression_level 1,"
    " dictionary_size_limit 10000"
)
# From so many rows on, a date is written by all threads, a file each. One file alone would be read
# by one thread too.
_MANY_ROWS = 1_000_000


def _of_bucket(bucket: int) -> str:
    """The part of a file's name that says its bucket."""
    return f"b{bucket:04d}"


def name_in_bucket(model: str, path: Path, bucket: int, token: str) -> str:
    """The name of a file in a warehouse of several buckets, relative to the folder of its files.
    `path` is that of the file where one bucket was built, `token` is new with each time it is."""
    day, suffix = path.parent.name, path.name.removeprefix(model)
    if day == f"settled_on={EMPTY_DATE}":
        return f"{model}/{day}/{path.name}"
    return f"{model}/{day}/{model}.{_of_bucket(bucket)}.{token}{suffix}"


class ByDate:
    """The folders of the models `int_calls` and `int_calls_again`."""

    def __init__(self, con: duckdb.DuckDBPyConnection, layout: Layout) -> None:
        self.con = con
        self.layout = layout

    def create_states(self) -> None:
        """Create the view of call states. Models read it before it is first written.

        Up to 0.6 a table had the states. Its rows are moved to files.
        """
        empty = self.layout.empty(CALL_STATES)
        if not self._columns(empty):
            building = empty.with_suffix(".tmp")
            empty.parent.mkdir(parents=True, exist_ok=True)
            self.con.execute(
                f"copy (from ops.call_states_layout) to {literal(str(building))} ({PARQUET})"
            )
            building.replace(empty)
        if self.con.execute(
            "select 1 from duckdb_tables()"
            f" where schema_name = 'intermediate' and table_name = '{CALL_STATES}'"
        ).fetchall():
            rows = f"from ops.call_states_layout union all by name from intermediate.{CALL_STATES}"
            target = self.layout.by_date(CALL_STATES)
            self.con.execute(f"copy ({rows}) to {self._partitioned(CALL_STATES, str(target))}")
            self.con.execute(f"drop table intermediate.{CALL_STATES}")
        self.create_view(CALL_STATES)

    def create_view(self, model: str) -> None:
        """Create the view over a model's files.

        It states how many rows there may be, as many as records: DuckDB's own estimate for a folder
        of files can be zero, and then a join would keep the larger side in memory.
        """
        [(records,)] = self.con.execute(
            "select greatest(coalesce(sum(records_accepted), 0), 1)"
            " from ops.source_files where feed = 'call_logs'"
        ).fetchall()
        files = literal(str(self.layout.by_date(model) / "*" / "*.parquet"))
        self.con.execute(
            f"""
            create or replace view intermediate.{model} as
            select * from read_parquet(
                {files}, hive_partitioning = true, hive_types = {{'settled_on': date}},
                explicit_cardinality = {int(records)}
            )
            """
        )

    def prepare(self, settle_from: date, through: date) -> None:
        """Remove the folders from `settle_from` on, which an unpublished run may have left, and
        create those of `through`."""
        for model in (CALLS, CALL_STATES):
            for settled_on, path in self.layout.dates(model).items():
                if settled_on >= settle_from:
                    shutil.rmtree(path)
            self.layout.empty(model).parent.mkdir(parents=True, exist_ok=True)
            self.layout.of_date(model, through).mkdir(exist_ok=True)

    def write(self, model: str, sql: str, settle_from: date, through: date) -> None:
        """Write the rows of these dates, the file without rows, and the view."""
        if settle_from != through:
            target = self._partitioned(model, str(self.layout.by_date(model)))
        else:
            folder = self.layout.of_date(model, through)
            # Not to partition costs less.
            target = f"{literal(str(folder / f'{model}.parquet'))} ({PARQUET})"
            if model == CALLS and self._due_records(settle_from, through) > _MANY_ROWS:
                target = (
                    f"{literal(str(folder))} ({PARQUET}, per_thread_output true,"
                    f" overwrite_or_ignore true, filename_pattern '{model}_{{i}}')"
                )
        self.con.execute(f"copy (\n{sql}\n) to {target}")
        empty = self.layout.empty(model)
        written = next(self.layout.of_date(model, through).glob("*.parquet"), None)
        # To plan the statement again takes a small night a hundredth of its time.
        if written is None or self._columns(written) != self._columns(empty):
            without_rows = f"select * from (\n{sql}\n) where false"
            self.con.execute(f"copy ({without_rows}) to {literal(str(empty))} ({PARQUET})")
        self.create_view(model)

    def files_by_date(
        self, model: str, bucket: int, first: date, before: date
    ) -> dict[date, list[Path]]:
        """The files of a bucket of these settlement dates."""
        return {
            settled_on: sorted(folder.glob(f"{model}.{_of_bucket(bucket)}*.parquet"))
            for settled_on, folder in self.layout.dates(model).items()
            if first <= settled_on < before
        }

    def complete(self, dates: Iterable[date]) -> None:
        """Give each date without calls a folder with an empty file, so that every settled date has
        a folder."""
        for settled_on in dates:
            target = self.layout.of_date(CALLS, settled_on)
            if not target.is_dir() or not any(target.iterdir()):
                target.mkdir(exist_ok=True)
                shutil.copyfile(self.layout.empty(CALLS), target / f"{CALLS}.parquet")

    def rewrite(self, model: str, settled_on: date, sql: str) -> None:
        """Replace the file of a date by these rows."""
        folder = self.layout.of_date(model, settled_on)
        building = folder / f"{model}.tmp"
        self.con.execute(f"copy (\n{sql}\n) to {literal(str(building))} ({PARQUET})")
        for file in folder.glob("*.parquet"):
            file.unlink()
        building.replace(folder / f"{model}.parquet")

    def _due_records(self, settle_from: date, through: date) -> int:
        """Usage is at most a day after arrival, so a record is settled at most two days after its
        floor."""
        [(records,)] = self.con.execute(
            """
            select coalesce(sum(records_accepted), 0)
            from ops.source_files
            where feed = 'call_logs' and settlement_floor between $first - 2 and $last
            """,
            {"first": settle_from, "last": through},
        ).fetchall()
        return int(records)

    def _columns(self, file: Path) -> list[tuple[str, ...]]:
        """The columns of a file, none if it is missing or damaged."""
        try:
            return self.con.execute(
                f"describe from read_parquet({literal(str(file))}, hive_partitioning = false)"
            ).fetchall()
        except (duckdb.InterruptException, duckdb.OutOfMemoryException):
            raise
        except duckdb.Error:  # damaged files have errors of many classes
            return []

    def _partitioned(self, model: str, folder: str) -> str:
        return (
            f"{literal(folder)} ({PARQUET}, partition_by (settled_on),"
            f" write_partition_columns true, overwrite_or_ignore true,"
            f" filename_pattern '{model}_{{i}}')"
        )
