"""Releases: writing one, switching `current` to it, and clearing away old ones."""

from __future__ import annotations

import os
import platform
import shutil
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from callbill import __version__
from callbill.base.catalogue import figure_seeds
from callbill.base.errors import UsageError
from callbill.base.settings import BillingVars, Settings
from callbill.base.sql import identifier, literal
from callbill.ingest.account_events import REASONS_BESIDE_OTHERS
from callbill.release.hashes import TABLES, table_hashes
from callbill.release.manifest import (
    Manifest,
    Retry,
    SourceLoad,
    as_ranges,
    figure_vars,
    read_manifest,
)
from callbill.release.site import write_site
from callbill.warehouse.dbt import CALLS_FOLDER, calls_folder
from callbill.warehouse.warehouse import link_or_copy, sync_folder

DATABASE = "callbill.duckdb"
OPS_TABLES = (
    *("runs", "source_files", "retries", "rejected_records", "control_results"),
    "sealed_settlements",
)
# In order of time; there are no two in a microsecond.
RUN_ID = "%Y%m%dT%H%M%S.%fZ"
_PARQUET = "format parquet, parquet_version v2, compression zstd"
# Marts that are views, in a release's database too.
_VIEWS = """
    select view_name from duckdb_views()
    where database_name = current_database() and schema_name = 'billing' and view_name <> 'calls'
    order by view_name
"""


def current_release(published: Path) -> Path | None:
    """The folder that `current` points to; None if nothing was published yet.

    Raises UsageError if it is no link to a release, as after a copy that does not know of links.
    """
    link = published / "current"
    if not link.is_symlink() and not link.exists():
        return None
    if not link.is_symlink():
        raise UsageError(
            f"{link} is not a link: put it away, and link the newest release instead "
            f"(ln -s releases/RUN_ID {link})"
        )
    if not link.is_dir() or not is_run_id(link.resolve().name):
        raise UsageError(f"{link} leads to {link.readlink()}, which is no release")
    return link.resolve()


def is_run_id(name: str) -> bool:
    """Whether a name is one that a run gives itself, and so its release."""
    try:
        return datetime.strptime(name, RUN_ID).replace(tzinfo=UTC).strftime(RUN_ID) == name
    except ValueError:
        return False


def published_calls(release: Path) -> str:
    """What to select a release's calls from, where the release lies: its own view knows its files
    by the paths that they were published under."""
    files = literal(str(release / "parquet" / "calls" / "*" / "*.parquet"))
    return f"read_parquet({files}, hive_partitioning = true, hive_types = {{'settled_on': date}})"


def current_manifest(published: Path) -> Manifest | None:
    """The manifest of the current release; None if nothing was published yet."""
    release = current_release(published)
    return None if release is None else read_manifest(release)


def write_release(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    billing_vars: BillingVars,
    run_id: str,
    through: date,
    settle_from: date,
    data_docs: str,
    record_run: Callable[[], None],
) -> Path:
    """Write a whole release beside the others; to readers it is not there until `switch_to`.

    `settle_from` is the first date that it seals, `data_docs` the controls' page, and `record_run`
    writes the run down as published: the release tells of its own run too.
    """
    release = settings.published / "releases" / run_id
    parquet = release / "parquet"
    parquet.mkdir(parents=True)
    record_run()
    before = current_release(settings.published)
    _link_calls(settings, before, parquet / "calls")
    # In the order they are in, tables are written once, and a third smaller.
    con.execute("set preserve_insertion_order = true")
    for table in TABLES:
        if table != "calls":
            target = literal(str(parquet / f"{table}.parquet"))
            con.execute(f"copy (from billing.{table}) to {target} ({_PARQUET})")
    for (view,) in con.execute(_VIEWS).fetchall():
        target = literal(str(parquet / f"{view}.parquet"))
        con.execute(f"copy (from billing.{view}) to {target} ({_PARQUET})")
    _write_database(con, release, run_id)
    con.execute("set preserve_insertion_order = false")
    write_site(con, settings, billing_vars, release, before, (settle_from, through), data_docs)
    _manifest(con, settings, billing_vars, run_id, through).write(release)
    for folder, _folders, names in os.walk(release):
        for name in names:
            _keep(Path(folder, name))
        sync_folder(Path(folder))
    return release


def _keep(path: Path) -> None:
    """Have a file survive a loss of power, and nobody write it. What is linked from the release
    before is read-only, so kept already."""
    if path.stat().st_mode & 0o222:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        path.chmod(0o444)


def switch_to(settings: Settings, release: Path) -> None:
    """Point `current` to a release, in one step: this seals what the release holds."""
    link = settings.published / "current"
    new_link = settings.published / ".current.tmp"
    new_link.unlink(missing_ok=True)
    new_link.symlink_to(release.relative_to(settings.published))
    new_link.replace(link)
    sync_folder(settings.published)


def remove_unfinished(settings: Settings) -> None:
    """Remove what was written by runs that never came to switch: it is newer than the current
    release."""
    current = current_release(settings.published)
    for path in _releases(settings):
        if current is None or path.name > current.name:
            shutil.rmtree(path, ignore_errors=True)


def remove_old_releases(settings: Settings) -> None:
    """Keep the newest `keep_releases`. What was never a release is left alone."""
    for path in _releases(settings)[: -settings.keep_releases]:
        shutil.rmtree(path, ignore_errors=True)


def _releases(settings: Settings) -> list[Path]:
    """All of them, in order of time."""
    folder = settings.published / "releases"
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if is_run_id(path.name))


def _link_calls(settings: Settings, before: Path | None, target: Path) -> None:
    """A folder per sealed date, linked from the release before or from the warehouse.

    A sealed date's files are never written again, so that all releases can share them.
    """
    target.mkdir()
    for source in sorted(calls_folder(settings).glob("settled_on=*")):
        if source.name == "settled_on=0001-01-01":
            continue
        published = before / "parquet" / "calls" / source.name if before else None
        if published is not None and published.is_dir():
            source = published
        (target / source.name).mkdir()
        for file in sorted(source.glob("*.parquet")):
            name = file.name.replace(CALLS_FOLDER, "calls")
            link_or_copy(file, target / source.name / name)


def _write_database(con: duckdb.DuckDBPyConnection, release: Path, run_id: str) -> None:
    con.execute(f"attach {literal(str(release / DATABASE))} as release")
    try:
        con.execute("create schema release.billing")
        con.execute("create schema release.ops")
        for table in TABLES:
            if table != "calls":
                con.execute(f"create table release.billing.{table} as from billing.{table}")
        columns = ", ".join(row[0] for row in con.execute("describe billing.calls").fetchall())
        con.execute(
            f"""
            create view release.billing.calls as
            select {columns} from {published_calls(release)}
            """
        )
        con.execute("create schema release.seeds")
        for (table,) in con.execute(
            "select table_name from duckdb_tables() where schema_name = 'seeds'"
            " and database_name = current_database() order by 1"
        ).fetchall():
            con.execute(f"create table release.seeds.{table} as from seeds.{table}")
        _copy_views(con)
        _describe_columns(con)
        _copy_macros(con)
        for table in OPS_TABLES:
            if table != "sealed_settlements":
                con.execute(f"create table release.ops.{table} as from ops.{table}")
        con.execute(
            """
            create table release.ops.sealed_settlements as
            select h.settled_on, h.content_hash, coalesce(s.run_id, ?) as run_id
            from ops.settlement_hashes as h
            left join ops.sealed_settlements as s using (settled_on)
            order by h.settled_on
            """,
            [run_id],
        )
    finally:
        con.execute("detach release")


def _describe_columns(con: duckdb.DuckDBPyConnection) -> None:
    """Take the descriptions along: whoever opens the database finds them there."""
    described = con.execute(
        """
        select 'table', table_name, '', comment from duckdb_tables()
        where database_name = current_database() and schema_name = 'billing'
        union all
        select 'view', view_name, '', comment from duckdb_views()
        where database_name = current_database() and schema_name = 'billing'
        union all
        select 'column', c.table_name, c.column_name, c.comment
        from duckdb_columns() as c
        where c.database_name = current_database() and c.schema_name = 'billing'
        """
    ).fetchall()
    for kind, table, column, comment in described:
        if comment:
            of = f"release.billing.{table}" + (f".{column}" if column else "")
            con.execute(f"comment on {kind} {of} is {literal(' '.join(comment.split()))}")


def _copy_views(con: duckdb.DuckDBPyConnection) -> None:
    """Take along the views beside the marts, which name what they are of without a database."""
    [(here,)] = con.execute("select current_database()").fetchall()
    views = con.execute(f"select sql from duckdb_views() where view_name in ({_VIEWS})").fetchall()
    con.execute("use release")
    try:
        for (statement,) in views:
            con.execute(statement)
    finally:
        con.execute(f"use {identifier(here)}")


def _copy_macros(con: duckdb.DuckDBPyConnection) -> None:
    """Take along the SQL macros that stand beside the marts (macros/known_on.sql)."""
    macros = con.execute(
        """
        select function_name, array_to_string(parameters, ', '), macro_definition
        from duckdb_functions()
        where database_name = current_database() and schema_name = 'billing'
        order by 1
        """
    ).fetchall()
    for name, parameters, definition in macros:
        con.execute(f"create macro release.billing.{name}({parameters}) as table {definition}")


def _manifest(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    billing_vars: BillingVars,
    run_id: str,
    through: date,
) -> Manifest:
    loads = con.execute(
        """
        select source_file_id, feed, path, format, arrived_on, settlement_floor, quarantine_reason
        from ops.source_files order by settlement_floor, feed, path, source_file_id
        """
    ).fetchall()
    retries: defaultdict[tuple[str, str], list[Retry]] = defaultdict(list)
    for source_file_id, feed, floor, line_numbers in con.execute(
        "select source_file_id, feed, settlement_floor, line_numbers from ops.retries"
        " order by run_id"
    ).fetchall():
        retries[source_file_id, feed].append(Retry(floor, tuple(line_numbers)))
    rejected = {
        (source_file_id, feed): "all" if whole else as_ranges(line_numbers)
        for source_file_id, feed, whole, line_numbers in con.execute(
            """
            select source_file_id, feed, bool_or(line_number is null),
                list(line_number order by line_number)
            from ops.rejected_records where not list_contains(?, reason)
            group by source_file_id, feed
            """,
            [REASONS_BESIDE_OTHERS],
        ).fetchall()
    }
    return Manifest(
        run_id=run_id,
        through=through,
        versions=_versions(),
        vars=figure_vars(billing_vars),
        seeds=figure_seeds(),
        loads=[
            SourceLoad(
                *load,  # type: ignore[misc]
                retries=tuple(retries[load[0], load[1]]),
                rejected_lines=rejected.get((load[0], load[1]), ""),
            )
            for load in loads
        ],
        settlement_hashes=dict(
            con.execute(
                "select settled_on, content_hash from ops.settlement_hashes order by 1"
            ).fetchall()
        ),
        table_hashes=table_hashes(con),
    )


def _versions() -> dict[str, Any]:
    packages = ("duckdb", "dbt-core", "dbt-duckdb", "great-expectations")
    return {
        "callbill": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }
