"""The warehouse file: opening it, its `ops` tables, and the views over the Parquet it owns."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import date
from pathlib import Path

import duckdb

from pipelines.errors import LockedError, UsageError
from pipelines.migrate import migrate
from pipelines.settings import Settings
from pipelines.sql import literal

SCHEMA_VERSION = 5
# The oldest that holds all that commands which only read look at.
READABLE_SINCE = 4

_TABLES = (Path(__file__).parent / "warehouse.sql").read_text(encoding="utf-8")

# What holds for every connection to the warehouse, dbt's included.
SESSION = {
    "TimeZone": "UTC",
    "preserve_insertion_order": False,
    # Some see it, wherever standard output goes.
    "enable_progress_bar": False,
}


def open_warehouse(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A connection to the warehouse, which is made if it is not there, and brought into today's
    layout if an older callbill wrote it.

    Raises LockedError if another process has the file open, UsageError if it is not a warehouse, or
    a newer callbill's.
    """
    settings.warehouse.parent.mkdir(parents=True, exist_ok=True)
    is_new = not settings.warehouse.exists()
    con = _connect(settings.warehouse)
    configure(con, settings)
    if is_new or _is_empty(con):
        con.execute(_TABLES)
        con.execute("insert or ignore into ops.warehouse values (1, ?, null)", [SCHEMA_VERSION])
    else:
        _check_is_warehouse(con, settings.warehouse)
        if _schema_version(con, settings.warehouse) < SCHEMA_VERSION:
            migrate(con, _TABLES, SCHEMA_VERSION)
    create_raw_views(con, settings)
    return con


def open_read_only(path: Path) -> duckdb.DuckDBPyConnection:
    """A connection for reading. Raises LockedError while a run has the file, UsageError if it is
    not a warehouse."""
    con = _connect(path, read_only=True)
    _check_is_warehouse(con, path)
    if _schema_version(con, path) < READABLE_SINCE:
        con.close()
        raise UsageError(f"{path} was written by an older callbill: `callbill run` upgrades it")
    return con


def open_replaceable(path: Path) -> duckdb.DuckDBPyConnection | None:
    """A warehouse that is to be replaced, for reading; None if it is damaged or not there.

    Raises LockedError if another process has it open, UsageError if the file is somebody else's.
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
    return con


def close_warehouse(con: duckdb.DuckDBPyConnection) -> None:
    """Checkpoint first: a copy of the file alone would lack what is in the log beside it."""
    with suppress(duckdb.Error):
        con.execute("checkpoint")
    con.close()


def configure(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Session settings and limits of a connection to the warehouse."""
    for name, value in SESSION.items():
        con.execute(f"set {name} = {literal(str(value))}")
    temporary = settings.warehouse_files / "spill"
    con.execute(f"set temp_directory = {literal(str(temporary))}")
    con.execute(f"set memory_limit = {literal(settings.memory_limit)}")
    if settings.threads:
        con.execute(f"set threads = {settings.threads}")


def _connect(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    try:
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


def raw_folder(settings: Settings, relation: str) -> Path:
    """Where the Parquet files behind `raw.<relation>` lie, a folder per settlement floor."""
    return settings.warehouse_files / "raw" / relation


def create_raw_views(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Views of what counts, with absolute paths: made anew at every opening, so that a moved
    warehouse works, and when files were loaded or withdrawn.

    The engine is told how many records there are: its own guess of a folder's files may be none at
    all, and it would keep the many in memory to go through the few.
    """
    folder = raw_folder(settings, "call_logs")
    empty = folder / "settlement_floor=0001-01-01" / "empty.parquet"
    if not empty.exists():
        empty.parent.mkdir(parents=True, exist_ok=True)
        building = empty.with_suffix(".tmp")
        con.execute("copy (from raw.call_logs_layout) to ? (format parquet)", [str(building)])
        building.replace(empty)
    # By name: the path may hold other folders of the form key=value.
    columns = ", ".join(row[0] for row in con.execute("describe raw.call_logs_layout").fetchall())
    records = con.execute(
        "select coalesce(sum(records_accepted), 0) from ops.source_files where feed = 'call_logs'"
    ).fetchall()[0][0]
    con.execute(
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
    con.execute(
        f"create or replace view raw.call_logs as from raw.call_logs_loaded {what_counts(con)}"
    )


def what_counts(con: duckdb.DuckDBPyConnection) -> str:
    """Which loaded records of call logs count, as a clause: those of files that were not
    withdrawn."""
    withdrawn = con.execute(
        "select source_file_id from ops.source_files"
        " where feed = 'call_logs' and quarantine_reason is not null order by all"
    ).fetchall()
    names = ", ".join(literal(row[0]) for row in withdrawn)
    return f"where source_file_id not in ({names})" if withdrawn else ""


def loading_folder(settings: Settings) -> Path:
    """Where a load writes its Parquet files before they are committed."""
    return settings.warehouse_files / "loading"


def finish_loads(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Bring the Parquet files into line with what was committed, whatever became of the last run.

    A load writes its files aside, commits the manifest rows together with their names, and then
    moves them to where `raw.call_logs` sees them. What was committed and not moved is moved now;
    what was never committed is removed.
    """
    loading, folder = loading_folder(settings), raw_folder(settings, "call_logs")
    committed = {row[0] for row in con.execute("select file_name from ops.raw_files").fetchall()}
    for path in loading.glob("*/*.parquet"):
        name = f"{path.parent.name}/{path.name}"
        if name in committed:
            target = folder / name
            target.parent.mkdir(exist_ok=True)
            path.replace(target)
            sync_folder(target.parent)
    shutil.rmtree(loading, ignore_errors=True)


def check_files(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Hold the Parquet files against the warehouse file that they belong to.

    Files that it does not know are another warehouse's, which is gone: they are put aside, until
    `drop_files_aside`. Raises UsageError if files that it knows are missing.
    """
    folder = raw_folder(settings, "call_logs")
    committed = {row[0] for row in con.execute("select file_name from ops.raw_files").fetchall()}
    found = {f"{path.parent.name}/{path.name}": path for path in folder.glob("*/*.parquet")}
    for name, path in found.items():
        if name not in committed and path.name != "empty.parquet":
            target = _files_aside(settings) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    missing = sorted(committed - found.keys())
    if missing:
        raise UsageError(
            f"{len(missing)} of the warehouse's files are missing, {folder / missing[0]} among "
            "them: `callbill rebuild` makes a new warehouse from the landing folder and the "
            "current release"
        )


def drop_files_aside(settings: Settings) -> None:
    """Remove what `check_files` put aside, once all that a release names is loaded again."""
    shutil.rmtree(_files_aside(settings), ignore_errors=True)


def _files_aside(settings: Settings) -> Path:
    return settings.warehouse_files / "unknown"


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_or_copy(source: Path, target: Path) -> None:
    """Have a file, which nobody will write again, under another name too."""
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(source, target)


def last_sealed(con: duckdb.DuckDBPyConnection) -> date | None:
    """The last settlement date that the warehouse knows to be sealed."""
    rows = con.execute("select max(settled_on) from ops.sealed_settlements").fetchall()
    value: date | None = rows[0][0]
    return value


def relation_exists(con: duckdb.DuckDBPyConnection, schema: str, name: str) -> bool:
    """Whether the warehouse has a table or view of that name."""
    return bool(
        con.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
            [schema, name],
        ).fetchall()
    )
