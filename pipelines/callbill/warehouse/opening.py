"""Opens the DuckDB file of a warehouse, and checks that this version can use it.

The functions here work on a connection. `Warehouse` decides which checks a way of opening needs. A
check that fails closes the connection.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import duckdb

from callbill.base.errors import LockedError, UsageError
from callbill.base.settings import Settings
from callbill.base.sql import identifier, literal
from callbill.warehouse.layout import Layout
from callbill.warehouse.migrations import SCHEMA_VERSION

# The settings of every connection that writes. profiles.yml repeats them for dbt.
_SESSION = {
    "TimeZone": "UTC",
    "preserve_insertion_order": False,
    # DuckDB would show its progress bar even if standard output is a file.
    "enable_progress_bar": False,
}
# The storage version of every database file that callbill creates. DuckDB 1.0 and later can open
# it. By default DuckDB 2.0 creates files that 1.5 cannot open.
STORAGE_VERSION = "storage_version 'v1.0.0'"


def configure(con: duckdb.DuckDBPyConnection, layout: Layout, settings: Settings) -> None:
    """Apply the settings of a connection that writes: session, memory, threads."""
    for name, value in _SESSION.items():
        con.execute(f"set {name} = {literal(str(value))}")
    con.execute(f"set temp_directory = {literal(str(layout.spill))}")
    con.execute(f"set memory_limit = {literal(settings.memory_limit)}")
    if settings.threads:
        con.execute(f"set threads = {settings.threads}")


def _create(path: Path) -> None:
    """Create an empty file. It keeps its storage version, whichever DuckDB opens it later."""
    with duckdb.connect() as con:
        con.execute(f"attach {literal(str(path))} as created ({STORAGE_VERSION})")


def connect(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file. If it does not exist, and is not opened for reading, it is created.

    Raises LockedError if another process has it open, UsageError if it cannot be opened otherwise.
    """
    if path.exists() and not path.is_file():
        raise UsageError(
            f"{path} is a folder: name the warehouse's file"
            if path.is_dir()
            else f"{path} is no file that can be a warehouse"
        )
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


def check_is_warehouse(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raises UsageError if the file is not a warehouse of callbill."""
    columns: list[tuple[str, ...]] = []
    # Not from the catalog's list of columns, which would bind every view there is.
    with suppress(duckdb.CatalogException):
        columns = con.execute("describe ops.warehouse").fetchall()
    if "schema_version" not in [name for name, *_ in columns]:
        con.close()
        raise UsageError(
            f"{path} is a DuckDB file, but no callbill warehouse; "
            "name another place with --warehouse"
        )


def check_not_built_with_spark(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raises UsageError if Spark built the warehouse, which was possible up to callbill 0.6."""
    if (
        has_table(con, "ops", "spark_partitions")
        and con.execute("select 1 from ops.spark_partitions limit 1").fetchall()
    ):
        con.close()
        raise UsageError(
            f"{path} was built with Spark, which callbill does not use any more: `callbill "
            "rebuild` makes the warehouse anew from the landing folder and the current release"
        )


def schema_version(con: duckdb.DuckDBPyConnection, path: Path) -> int:
    """The warehouse's schema version. Raises UsageError if it is that of a newer callbill."""
    version: int = con.execute("select schema_version from ops.warehouse").fetchall()[0][0]
    if version > SCHEMA_VERSION:
        con.close()
        raise UsageError(
            f"{path} was written by a newer callbill (schema {version}, "
            f"this one knows {SCHEMA_VERSION}); update callbill"
        )
    return version


def is_unfinished(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the file has no table and no view, or is a warehouse that an earlier callbill had not
    finished to create when it was killed."""
    with suppress(duckdb.Error):  # nearly always it is a warehouse
        return not con.execute("select schema_version from ops.warehouse").fetchall()
    return not con.execute(
        "select 1 from duckdb_tables() where not internal"
        " union all select 1 from duckdb_views() where not internal limit 1"
    ).fetchall()


def has_table(con: duckdb.DuckDBPyConnection, schema: str, name: str) -> bool:
    """Whether there is a table or view of that name."""
    # The catalog's list is asked last: it puts together all that is known of each table and view.
    with suppress(duckdb.Error):
        con.execute(f"describe {identifier(schema)}.{identifier(name)}")
        return True
    return bool(
        con.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
            [schema, name],
        ).fetchall()
    )
