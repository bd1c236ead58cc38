"""The warehouse: its connection, the tables that the job itself keeps, its Parquet files."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from callbill.base.errors import LockedError, UsageError
from callbill.base.settings import Settings
from callbill.base.sql import literal
from callbill.storage.files import sync_folder
from callbill.warehouse.layout import CALLS, EMPTY_DATE, Layout
from callbill.warehouse.migrations import READABLE_SINCE, SCHEMA_VERSION, migrate

TABLES = (Path(__file__).parent / "tables.sql").read_text(encoding="utf-8")
VIEWS = (Path(__file__).parent / "views.sql").read_text(encoding="utf-8")

# What holds for every connection to the warehouse, dbt's included (profiles.yml).
_SESSION = {
    "TimeZone": "UTC",
    "preserve_insertion_order": False,
    # Some see it, wherever standard output goes.
    "enable_progress_bar": False,
}
_EMPTY_FILE = "empty.parquet"
# Every file that is made can be opened by DuckDB 1.0 and later. What 2.0 makes by default, 1.5
# could not open.
STORAGE_VERSION = "storage_version 'v1.0.0'"

Row = tuple[Any, ...]
Record = dict[str, Any]
Parameters = Sequence[object] | Mapping[str, object]


class Warehouse:
    """An open warehouse."""

    def __init__(self, con: duckdb.DuckDBPyConnection, layout: Layout) -> None:
        self.con = con
        self.layout = layout

    @classmethod
    def open(cls, settings: Settings, raw_tables: str) -> Warehouse:
        """Open the warehouse for writing. It is made if it is not there, and brought into today's
        layout if an older callbill wrote it. `raw_tables` makes the tables of the feeds.

        Raises LockedError if another process has the file open, UsageError if it is not a
        warehouse, or a newer callbill's.
        """
        layout = Layout(settings.warehouse)
        layout.database.parent.mkdir(parents=True, exist_ok=True)
        is_new = not layout.database.exists()
        con = _connect(layout.database)
        _configure(con, layout, settings)
        if is_new or _is_empty(con):
            con.execute(TABLES + raw_tables + VIEWS)
            con.execute("insert or ignore into ops.warehouse values (1, ?, null)", [SCHEMA_VERSION])
        else:
            _check_is_warehouse(con, layout.database)
            _check_engine(con, layout.database)
            if _schema_version(con, layout.database) < SCHEMA_VERSION:
                migrate(con, TABLES + raw_tables, VIEWS)
        warehouse = cls(con, layout)
        warehouse.create_raw_views()
        return warehouse

    @classmethod
    def open_read_only(cls, path: Path) -> Warehouse:
        """Open the warehouse for reading. Raises LockedError while a run has the file, UsageError
        if it is not there, or not a warehouse that this version can read."""
        if not path.exists():
            raise UsageError(f"there is no warehouse {path}; name it with --warehouse")
        con = _connect(path, read_only=True)
        _check_is_warehouse(con, path)
        if _schema_version(con, path) < READABLE_SINCE:
            con.close()
            raise UsageError(f"{path} was written by an older callbill: `callbill run` upgrades it")
        return cls(con, Layout(path))

    @classmethod
    def open_replaceable(cls, path: Path) -> Warehouse | None:
        """Open a warehouse that is to be replaced, for reading; None if it is damaged or not there.

        Raises LockedError if another process has it open, UsageError if the file is somebody
        else's.
        """
        if not path.exists():
            return None
        try:
            con = _connect(path, read_only=True)
        except UsageError:
            return None
        try:
            _check_is_warehouse(con, path)
        except duckdb.Error:
            con.close()
            return None
        return cls(con, Layout(path))

    def close(self) -> None:
        """Checkpoint first: a copy of the file alone would lack what is in the log beside it."""
        with suppress(duckdb.Error):
            self.con.execute("checkpoint")
        self.con.close()

    # --- queries -------------------------------------------------------------------------------

    def execute(self, statement: str, parameters: Parameters | None = None) -> None:
        self.con.execute(statement, parameters)

    def rows(self, query: str, parameters: Parameters | None = None) -> list[Row]:
        return self.con.execute(query, parameters).fetchall()

    def records(self, query: str, parameters: Parameters | None = None) -> list[Record]:
        """Rows with the names of their columns."""
        cursor = self.con.execute(query, parameters)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def value(self, query: str, parameters: Parameters | None = None) -> Any:
        """The one value of a query that has one row."""
        [(value,)] = self.rows(query, parameters)
        return value

    def insert(self, target: str, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows; one statement for many, since one per row would take a millisecond each."""
        for start in range(0, len(rows), 500):
            some = rows[start : start + 500]
            values = ", ".join(f"({', '.join('?' * len(row))})" for row in some)
            self.con.execute(
                f"insert into {target} values {values}", [value for row in some for value in row]
            )

    @contextmanager
    def transaction(self) -> Any:
        """Commit all or nothing."""
        self.con.begin()
        try:
            yield
        except BaseException:
            with suppress(duckdb.Error):
                self.con.rollback()
            raise
        self.con.commit()

    def has(self, schema: str, name: str) -> bool:
        """Whether there is a table or view of that name."""
        return _has(self.con, schema, name)

    # --- what is settled and sealed ------------------------------------------------------------

    @property
    def sealed_through(self) -> date | None:
        """The last settlement date that the warehouse knows to be sealed."""
        value: date | None = self.value("select max(settled_on) from ops.sealed_settlements")
        return value

    @property
    def built_through(self) -> date | None:
        """The last settlement date whose rows this warehouse holds for good."""
        value: date | None = self.value("select built_through from ops.warehouse")
        return value

    @built_through.setter
    def built_through(self, through: date) -> None:
        self.execute("update ops.warehouse set built_through = ?", [through])

    def first_due(self, through: date) -> date | None:
        """The first date that a run has to settle; None if nothing was ever loaded."""
        built = self.built_through
        if built is not None:
            return built + timedelta(days=1)
        # The vendor's bills settle nothing.
        first: date | None = self.value(
            "select min(settlement_floor) from ops.source_files"
            " where settlement_floor <= ? and feed <> 'vendor_bills'",
            [through],
        )
        return first

    # --- records, kept as Parquet --------------------------------------------------------------

    def create_raw_views(self) -> None:
        """Create the views of what counts. They have absolute paths: made anew at every opening, so
        that a moved warehouse works, and when files were loaded or withdrawn.

        The engine is told how many records there are: its own guess of a folder's files may be
        none at all, and it would keep the many in memory to go through the few.
        """
        folder = self.layout.raw("call_logs")
        empty = folder / f"settlement_floor={EMPTY_DATE}" / _EMPTY_FILE
        if not empty.exists():
            empty.parent.mkdir(parents=True, exist_ok=True)
            building = empty.with_suffix(".tmp")
            self.execute("copy (from raw.call_logs_layout) to ? (format parquet)", [str(building)])
            building.replace(empty)
        # By name: the path may hold other folders of the form key=value.
        columns = ", ".join(row[0] for row in self.rows("describe raw.call_logs_layout"))
        records = self.value(
            "select coalesce(sum(records_accepted), 0) from ops.source_files"
            " where feed = 'call_logs'"
        )
        self.execute(
            f"""
            create or replace view raw.call_logs_loaded as
            select {columns}, settlement_floor
            from read_parquet(
                {literal(str(folder / "*" / "*.parquet"))},
                hive_partitioning = true, hive_types = {{'settlement_floor': date}},
                explicit_cardinality = {max(records, 1)}
            )
            """
        )
        withdrawn = self.rows(
            "select source_file_id from ops.source_files"
            " where feed = 'call_logs' and quarantine_reason is not null order by all"
        )
        names = ", ".join(literal(row[0]) for row in withdrawn)
        counts = f"where source_file_id not in ({names})" if withdrawn else ""
        self.execute(f"create or replace view raw.call_logs as from raw.call_logs_loaded {counts}")

    def finish_loads(self) -> None:
        """Bring the Parquet files into line with what was committed, whatever became of the last
        run.

        A load writes its files aside, commits the manifest rows together with their names, and then
        moves them to where `raw.call_logs` sees them. What was committed and not moved is moved
        now; what was never committed is removed.
        """
        committed = self._committed_files()
        for path in self.layout.loading.glob("*/*.parquet"):
            name = f"{path.parent.name}/{path.name}"
            if name in committed:
                target = self.layout.raw("call_logs") / name
                target.parent.mkdir(exist_ok=True)
                path.replace(target)
                sync_folder(target.parent)
        shutil.rmtree(self.layout.loading, ignore_errors=True)

    def check_files(self) -> None:
        """Hold the Parquet files against the database that they belong to.

        Files that it does not know are another warehouse's, which is gone: they are put aside,
        until `drop_unknown_files`. Raises UsageError if files that it knows are missing.
        """
        folder = self.layout.raw("call_logs")
        committed = self._committed_files()
        present = {f"{path.parent.name}/{path.name}": path for path in folder.glob("*/*.parquet")}
        for name, path in present.items():
            if name not in committed and path.name != _EMPTY_FILE:
                target = self.layout.unknown / name
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
        missing = sorted(committed - present.keys())
        if missing:
            raise UsageError(
                f"{len(missing)} of the warehouse's files are missing, {folder / missing[0]} among "
                "them: `callbill rebuild` makes a new warehouse from the landing folder and the "
                "current release"
            )

    def _committed_files(self) -> set[str]:
        return {row[0] for row in self.rows("select file_name from ops.raw_files")}

    def drop_unknown_files(self) -> None:
        """Remove what `check_files` put aside, once all that a release names is loaded again."""
        shutil.rmtree(self.layout.unknown, ignore_errors=True)

    # --- calls, kept as Parquet ----------------------------------------------------------------

    def prepare_call_partitions(self, settle_from: date, through: date) -> None:
        """Make room for the due dates' calls: no folder of them, or of a later date, may be
        left."""
        for settled_on, path in self.layout.call_dates().items():
            if settled_on >= settle_from:
                shutil.rmtree(path)
        self.layout.calls_of(EMPTY_DATE).mkdir(parents=True, exist_ok=True)
        self.layout.calls_of(through).mkdir(exist_ok=True)

    def complete_call_partitions(self, dates: Iterable[date]) -> None:
        """Give a due date without any call a folder with an empty file, as every sealed date
        has."""
        empty = self.layout.calls_of(EMPTY_DATE) / _EMPTY_FILE
        for settled_on in dates:
            target = self.layout.calls_of(settled_on)
            if not target.is_dir() or not any(target.iterdir()):
                target.mkdir(exist_ok=True)
                shutil.copyfile(empty, target / f"{CALLS}.parquet")


def _configure(con: duckdb.DuckDBPyConnection, layout: Layout, settings: Settings) -> None:
    for name, value in _SESSION.items():
        con.execute(f"set {name} = {literal(str(value))}")
    con.execute(f"set temp_directory = {literal(str(layout.spill))}")
    con.execute(f"set memory_limit = {literal(settings.memory_limit)}")
    if settings.threads:
        con.execute(f"set threads = {settings.threads}")


def _create(path: Path) -> None:
    """Make a file with nothing in it. It keeps its storage version, whoever opens it later."""
    with duckdb.connect() as con:
        con.execute(f"attach {literal(str(path))} as created ({STORAGE_VERSION})")


def _connect(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    try:
        if not (read_only or path.exists()):
            _create(path)
        return duckdb.connect(str(path), read_only=read_only)
    except duckdb.Error as error:
        text = str(error)
        if "Could not set lock" in text or "Conflicting lock" in text:
            holder = text.split("PID ")[-1].split(")")[0] if "PID " in text else "unknown"
            raise LockedError(
                f"warehouse {path} is open in another process (PID {holder}); "
                "wait for it to end, or work on a published release instead"
            ) from error
        if (
            "not a valid DuckDB database" in text
            or "older version" in text
            or "newer version" in text
        ):
            raise UsageError(f"{path} is no DuckDB file that this version can read") from error
        raise UsageError(
            f"warehouse {path} cannot be opened: {text.splitlines()[0]}; if it is damaged, "
            "`callbill rebuild` makes a new one"
        ) from error


def _check_is_warehouse(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    columns = con.execute(
        "select 1 from duckdb_columns() where schema_name = 'ops' and table_name = 'warehouse'"
        " and column_name = 'schema_version'"
    ).fetchall()
    if not columns:
        con.close()
        raise UsageError(
            f"{path} is a DuckDB file, but no callbill warehouse; "
            "name another place with --warehouse"
        )


def _check_engine(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raises UsageError if Spark built the warehouse, which callbill could do up to 0.6."""
    if (
        _has(con, "ops", "spark_partitions")
        and con.execute("select 1 from ops.spark_partitions limit 1").fetchall()
    ):
        con.close()
        raise UsageError(
            f"{path} was built with Spark, which callbill does not use any more: `callbill "
            "rebuild` makes the warehouse anew from the landing folder and the current release"
        )


def _schema_version(con: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Raises UsageError if it is that of a newer callbill."""
    version: int = con.execute("select schema_version from ops.warehouse").fetchall()[0][0]
    if version > SCHEMA_VERSION:
        con.close()
        raise UsageError(
            f"{path} was written by a newer callbill (schema {version}, "
            f"this one knows {SCHEMA_VERSION}); update callbill"
        )
    return version


def _is_empty(con: duckdb.DuckDBPyConnection) -> bool:
    return not con.execute(
        "select 1 from duckdb_tables() where not internal"
        " union all select 1 from duckdb_views() where not internal limit 1"
    ).fetchall()


def _has(con: duckdb.DuckDBPyConnection, schema: str, name: str) -> bool:
    return bool(
        con.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
            [schema, name],
        ).fetchall()
    )
