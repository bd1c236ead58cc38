"""A warehouse in a folder of its own, with what the books know.

The warehouse of the books is open for reading while its tables are copied, and not longer. Its
Parquet files are never written again, so links to them are enough. If a run is at work on it, or it
is lost, the landing folder is read again, as a rebuild does.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

import duckdb

from callbill.base.errors import LockedError
from callbill.base.progress import Reporter
from callbill.base.settings import Settings
from callbill.base.sql import identifier, literal
from callbill.ingest.feed import raw_tables
from callbill.jobs.loading import load_landing
from callbill.jobs.sealing import adopt, check_all_loaded, check_no_new_rejects
from callbill.jobs.simulation.remarks import Remark, remark
from callbill.jobs.simulation.terms import Terms
from callbill.release.manifest import Manifest
from callbill.tasks.workers.in_process import InProcess
from callbill.warehouse.layout import CALLS, EMPTY_DATE, Layout
from callbill.warehouse.migrations import SCHEMA_VERSION
from callbill.warehouse.opening import schema_version
from callbill.warehouse.warehouse import Warehouse

RUN_ID = "simulation"
# Tables of the job that no bill depends on, and those that a simulation has of its own.
_NOT_COPIED = (
    *("warehouse", "runs", "control_results", "unbilled_calls", "rejected_lines"),
    *("landing_entries", "landing_changes", "landing_manifests", "vendor_bills_loaded"),
    *("settlement_window", "catalogue_rows"),
)
_COLUMNS = """
    select schema_name, table_name, list(column_name)
    from duckdb_columns()
    where database_name = $database and schema_name in ('raw', 'ops') and table_name in (
        select table_name from duckdb_tables() where database_name = $database
    )
    group by schema_name, table_name
"""


def why_not_readable(path: Path, manifest: Manifest) -> Remark | None:
    """Why the warehouse cannot be read, None if it can.

    Raises UsageError if the file is no warehouse.
    """
    if not path.exists():
        return remark("warehouse_lost")
    try:
        warehouse = Warehouse.open_replaceable(path)
    except LockedError:
        return remark("warehouse_in_use")
    if warehouse is None:
        return remark("warehouse_damaged")
    with closing(warehouse.con) as con:
        if schema_version(con, path) < SCHEMA_VERSION:
            return remark("warehouse_older")
        if warehouse.built_through is None or warehouse.built_through < manifest.through:
            return remark("warehouse_behind")
    return None


@contextmanager
def copied_books(
    settings: Settings, ours: Settings, manifest: Manifest, call_models: Collection[str] | None
) -> Iterator[Warehouse]:
    """The warehouse of a simulation, with what the warehouse of the books has.

    `call_models` are the models of calls to take over. Without them the records are linked, for
    calls to be built anew.

    Raises LockedError if a run opened the warehouse meanwhile, UsageError if it does not belong to
    the release.
    """
    source = Layout(settings.warehouse)
    with closing(Warehouse.open_read_only(source.database).con) as con:
        [(buckets,)] = con.execute("select buckets from ops.warehouse").fetchall()
    warehouse = Warehouse.open(ours.model_copy(update={"buckets": buckets}), raw_tables())
    try:
        with _attached(warehouse, source.database):
            _copy_tables(warehouse)
            for model in call_models or ():
                if model != CALLS:
                    warehouse.execute(
                        f"create table intermediate.{model} as from books.intermediate.{model}"
                        f" where settled_on <= date '{manifest.through}'"
                    )
        adopt(warehouse, manifest)
        check_all_loaded(warehouse, manifest)
        _forget_later_records(warehouse, manifest.through)
        if call_models is None:
            _link_records(warehouse, source)
        elif CALLS in call_models:
            _link_calls(warehouse, source, manifest.through)
        yield warehouse
    finally:
        warehouse.close()


@contextmanager
def books_read_again(
    settings: Settings, ours: Settings, manifest: Manifest, books: Terms, reporter: Reporter
) -> Iterator[Warehouse]:
    """The warehouse of a simulation, with the files that the release names, from the landing
    folder.

    Raises UsageError if one of them is gone.
    """
    warehouse = Warehouse.open(
        ours.model_copy(update={"buckets": settings.buckets or 1}), raw_tables()
    )
    try:
        adopt(warehouse, manifest)
        load_landing(
            warehouse,
            ours,
            books.vars,
            RUN_ID,
            manifest.through,
            None,
            manifest.loads_by_key,
            reporter.track_bytes,
            InProcess(),
            only_released=True,
            archived=True,
        )
        check_all_loaded(warehouse, manifest)
        check_no_new_rejects(warehouse, manifest, RUN_ID)
        yield warehouse
    finally:
        warehouse.close()


def borrow_plans(source: Layout, target: Layout) -> None:
    """Copy the models that the warehouse has compiled: with the same vars none is compiled anew."""
    target.plans.mkdir(parents=True)
    for plan in source.plans.glob("*.json"):
        shutil.copyfile(plan, target.plans / plan.name)


@contextmanager
def _attached(warehouse: Warehouse, path: Path) -> Iterator[None]:
    try:
        warehouse.execute(f"attach {literal(str(path))} as books (read_only)")
    except duckdb.IOException as error:
        raise LockedError(f"a run has begun to work on {path}: try again") from error
    try:
        yield
    finally:
        warehouse.execute("detach books")


def _copy_tables(warehouse: Warehouse) -> None:
    [(here,)] = warehouse.rows("select current_database()")
    ours, theirs = (
        {
            (schema, table): columns
            for schema, table, columns in warehouse.rows(_COLUMNS, {"database": database})
        }
        for database in (here, "books")
    )
    with warehouse.transaction():
        for schema, table in sorted(ours.keys() & theirs.keys()):
            if table not in _NOT_COPIED:
                both = [c for c in theirs[schema, table] if c in ours[schema, table]]
                columns = ", ".join(map(identifier, both))
                warehouse.execute(
                    f"insert into {schema}.{table} ({columns})"
                    f" select {columns} from books.{schema}.{table}"
                )


def _forget_later_records(warehouse: Warehouse, through: date) -> None:
    """Files that were loaded after the release do not count."""
    warehouse.execute(
        "delete from ops.raw_files"
        " where try_cast(regexp_extract(file_name, 'settlement_floor=([^/]*)', 1) as date) > ?",
        [through],
    )


def _link_records(warehouse: Warehouse, source: Layout) -> None:
    """Name the Parquet files of records in the warehouse's own folder, without a copy."""
    folder = warehouse.layout.raw("call_logs")
    for (name,) in warehouse.rows("select file_name from ops.raw_files"):
        _link(source.raw("call_logs") / name, folder / name)
    warehouse.raw_records.create_views()


def _link_calls(warehouse: Warehouse, source: Layout, through: date) -> None:
    folders = [path for day, path in source.dates(CALLS).items() if day <= through]
    for folder in (source.of_date(CALLS, EMPTY_DATE), *folders):
        for file in folder.glob("*.parquet"):
            _link(file, warehouse.layout.by_date(CALLS) / folder.name / file.name)
    warehouse.by_date.create_view(CALLS)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # A symbolic link: a hard one is not possible from one file system to another.
    target.symlink_to(source)
