"""Spark as the engine: its session, what it is given of the warehouse, what is taken over from it.

Spark reads call logs and builds the models. What the job keeps about itself stays in the warehouse
file, and so do copies of the marts, over which controls, hashes and releases are made as ever.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from pipelines.build import CALLS_FOLDER, calls_folder
from pipelines.errors import CallbillError, UsageError
from pipelines.settings import Settings
from pipelines.sql import identifier, literal
from pipelines.warehouse import raw_folder, sync_folder, what_counts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# What the meaning of a figure depends on. All else is left to Spark's own configuration.
_SESSION = {
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.session.timeZone": "UTC",
    # A value that does not fit is an error, and no decimal is cut off silently.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.sources.partitionOverwriteMode": "dynamic",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.log.level": "ERROR",
}
# For this machine, where nobody configures Spark.
LOCAL = {
    "spark.driver.memory": "2g",
    "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1)),
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
# Tables that are kept from night to night, by settlement date.
_KEPT = (
    *(f"intermediate.{CALLS_FOLDER}", "intermediate.int_calls_again"),
    *("intermediate.int_charges", "intermediate.int_daily_usage_changes"),
    *("billing.bill_lines", "billing.settlements"),
)
# Of these, what people, controls and releases see of them; calls are seen where they lie.
_KEPT_TAKEN_OVER = (
    *("intermediate.int_calls_again", "intermediate.int_daily_usage_changes"),
    *("billing.bill_lines", "billing.settlements"),
)
_GIVEN = (
    *("raw.contracts", "raw.account_events", "raw.vendor_bills"),
    "ops.settlement_window",
)
_TAKEN_OVER = (
    *("daily_usage", "precision_adjustments", "monthly_bills", "account_ledger"),
    *("account_arrears", "service_status", "arrears_notices", "vendor_bill_lines"),
    "reconciliation",
)
_TYPES = {
    "VARCHAR": "string",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "INTEGER": "int",
    "UBIGINT": "bigint",
}


def spark_folder(settings: Settings) -> Path:
    """Where Spark keeps its tables; calls lie where DuckDB would have them."""
    return settings.warehouse_files / "spark"


def check_engine(
    con: duckdb.DuckDBPyConnection, settings: Settings, built_through: date | None
) -> None:
    """UsageError if the warehouse was built by the other engine, since each has tables of its own,
    or if some of Spark's are not there any more."""
    con.execute(
        """
        create table if not exists ops.spark_partitions (
            table_name varchar, settled_on date, primary key (table_name, settled_on)
        )
        """
    )
    if built_through is None:
        con.execute("delete from ops.spark_partitions")
        return
    # What an unpublished run wrote of later dates, another may have removed again.
    kept = con.execute(
        "select table_name, settled_on from ops.spark_partitions where settled_on <= ?",
        [built_through],
    ).fetchall()
    built_with = "spark" if kept else "duckdb"
    if built_with != settings.engine:
        raise UsageError(
            f"this warehouse was built with --engine {built_with}: go on so, or `callbill rebuild "
            f"--engine {settings.engine}`"
        )
    for name, day in kept:
        folder = kept_folder(settings, name) / f"settled_on={day}"
        if not any(folder.glob("*.parquet")):
            raise UsageError(
                f"files of the warehouse are missing in {folder}: `callbill rebuild --engine spark`"
                " makes a new warehouse from the landing folder and the current release"
            )


def session(settings: Settings) -> SparkSession:
    """The Spark session of this process and warehouse.

    Raises UsageError if Spark is not installed.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise UsageError("--engine spark needs Spark: `make install-spark`") from error
    place = str(_scratch(settings) / "tables")
    running = SparkSession.getActiveSession()
    if running is not None:
        if running.conf.get("spark.sql.warehouse.dir", "").endswith(place):
            return running
        running.stop()
    # It tells of each SQL error that is told anyway.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    builder = SparkSession.builder.appName("callbill")
    options = dict(_SESSION)
    if settings.spark_master:
        builder = builder.master(settings.spark_master)
    elif "SPARK_CONF_DIR" not in os.environ:
        options |= LOCAL
    for name, value in options.items():
        builder = builder.config(name, value)
    interrupted = signal.getsignal(signal.SIGINT)
    with _errors_into(spark_folder(settings) / "log"):
        session = builder.config("spark.sql.warehouse.dir", place).getOrCreate()
    signal.signal(signal.SIGINT, interrupted)  # Spark put its own handler there
    return session


@contextmanager
def _errors_into(log: Path) -> Iterator[None]:
    """Have what is started now write to a file what it has to say: a run's own logs are lines of
    one form, for machines to read."""
    log.parent.mkdir(parents=True, exist_ok=True)
    ours = os.dup(2)
    try:
        with log.open("wb") as stream:
            os.dup2(stream.fileno(), 2)
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)


def _scratch(settings: Settings) -> Path:
    return spark_folder(settings) / "scratch"


def give(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Show Spark what the models read: raw relations, seeds, and what earlier nights left."""
    shutil.rmtree(_scratch(settings), ignore_errors=True)
    given = _scratch(settings) / "given"
    given.mkdir(parents=True)
    spark = session(settings)
    for schema in ("raw", "ops", "seeds", "staging", "intermediate", "billing"):
        spark.sql(f"drop database if exists {schema} cascade")
        spark.sql(f"create database {schema}")
    seeds = con.execute(
        "select 'seeds.' || table_name from duckdb_tables() where schema_name = 'seeds'"
    ).fetchall()
    for name in (*_GIVEN, *(row[0] for row in seeds)):
        folder = given / name
        folder.mkdir()
        con.execute(f"copy (from {name}) to {literal(str(folder / 'all.parquet'))}")
        _show(spark, con, name, folder)
    _show(
        spark,
        con,
        "raw.call_logs_loaded",
        raw_folder(settings, "call_logs"),
        partitioned_by="settlement_floor",
    )
    spark.sql(f"create view raw.call_logs as select * from raw.call_logs_loaded {what_counts(con)}")
    for name in _KEPT:
        _show(spark, con, name, kept_folder(settings, name), partitioned_by="settled_on")


def kept_folder(settings: Settings, name: str) -> Path:
    """Where a table lies that is kept by settlement date."""
    if name == f"intermediate.{CALLS_FOLDER}":
        return calls_folder(settings)
    return spark_folder(settings) / name


def drop_unsettled(settings: Settings, settle_from: date) -> None:
    """Remove what earlier, unpublished runs left for dates that are due (of calls the job does so
    on any engine), or only began to write."""
    for name in _KEPT:
        folder = kept_folder(settings, name)
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            is_partition = path.name.startswith("settled_on=")
            is_due = path.name >= f"settled_on={settle_from}" and folder != calls_folder(settings)
            if is_due or not is_partition:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def take_over(
    con: duckdb.DuckDBPyConnection, settings: Settings, settle_from: date, settle_through: date
) -> None:
    """Fill the warehouse's own tables with what Spark wrote into its own. CallbillError if a column
    is of another type there."""
    days = [settle_from + timedelta(days=n) for n in range((settle_through - settle_from).days + 1)]
    con.execute("delete from ops.spark_partitions where settled_on >= ?", [settle_from])
    for name in _KEPT:
        folders = {day: kept_folder(settings, name) / f"settled_on={day}" for day in days}
        written = {day: sorted(folder.glob("*.parquet")) for day, folder in folders.items()}
        for day, files in written.items():
            _sync(files, folders[day])
            # Of calls each date has a file, if need be one without rows (complete_partitions).
            if files or name == _KEPT[0]:
                con.execute("insert into ops.spark_partitions values (?, ?)", [name, day])
        if name in _KEPT_TAKEN_OVER:
            con.execute(f"delete from {name} where settled_on >= ?", [settle_from])
            _insert(con, name, [file for files in written.values() for file in files])
    for table in _TAKEN_OVER:
        folder = _scratch(settings) / "tables" / "billing.db" / table
        con.execute(f"delete from billing.{table}")
        _insert(con, f"billing.{table}", sorted(folder.glob("*.parquet")))


def _insert(con: duckdb.DuckDBPyConnection, name: str, files: Iterable[Path]) -> None:
    paths = ", ".join(literal(str(file)) for file in files)
    if not paths:
        return
    options = ", hive_types = {'settled_on': date}" if name in _KEPT else ""
    source = f"read_parquet([{paths}]{options})"
    columns = _columns(con, name)
    found = _columns(con, source)
    for column, type_ in columns.items():
        if column != "request_hash" and found.get(column) != type_:
            raise CallbillError(
                f"Spark has column {column} of {name} as {found.get(column)}, not as {type_}"
            )
    selected = ", ".join(
        # Each engine has a hash of its own.
        "hash(request_id)" if column == "request_hash" else identifier(column)
        for column in columns
    )
    con.execute(f"insert into {name} select {selected} from {source}")


def _columns(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Names and types."""
    described = con.execute(f"describe select * from {relation}").fetchall()
    return {row[0]: row[1] for row in described}


def _sync(files: Iterable[Path], folder: Path) -> None:
    """Have files survive a loss of power: the warehouse is about to say that they are there."""
    for file in files:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    if folder.exists():
        sync_folder(folder)


def hadoop_path(path: Path) -> str:
    """A local path as Hadoop has it: an address in which nothing is encoded."""
    return f"file://{path}"


def _text(value: str) -> str:
    """A text in Spark's SQL, where a backslash is what doubling a quote is elsewhere."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _show(
    spark: SparkSession,
    con: duckdb.DuckDBPyConnection,
    name: str,
    folder: Path,
    partitioned_by: str = "",
) -> None:
    """Have Spark know Parquet files as a table with the columns that it has in the warehouse."""
    listed = ", ".join(
        f"`{column}` {_TYPES.get(type_, type_)}" for column, type_ in _columns(con, name).items()
    )
    spark.sql(
        f"create table {name} ({listed}) using parquet"
        + (f" partitioned by ({partitioned_by})" if partitioned_by else "")
        + f" location {_text(hadoop_path(folder))}"
    )
    if partitioned_by:
        spark.sql(f"msck repair table {name}")
