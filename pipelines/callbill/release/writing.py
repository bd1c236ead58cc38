"""Writes a release: the marts as Parquet and as a database (`database`), the site, the manifest.

A release shares the files of sealed calls with the releases before it. It is complete and on disk
before `Published.switch_to` makes it the current one.
"""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from callbill import __version__
from callbill.base.catalogue import Seeds
from callbill.base.rules import DateRules
from callbill.base.settings import BillingVars
from callbill.base.sql import literal
from callbill.release.contents import write_contents
from callbill.release.database import beginning_of, plain_text, write_database
from callbill.release.hashes import table_hashes
from callbill.release.manifest import Manifest, figure_vars
from callbill.release.marts import hashed_marts, views_by_month
from callbill.release.release import Release
from callbill.release.site import write_site
from callbill.storage.files import link_or_copy, sync_file, sync_folder
from callbill.warehouse.layout import CALLS
from callbill.warehouse.loads import Retry, SourceLoad, as_ranges
from callbill.warehouse.warehouse import Warehouse

# Level 1 is smaller here than the default, and a fifth faster.
_PARQUET = "format parquet, parquet_version v2, compression zstd, compression_level 1"
_SYNCED_AT_ONCE = 16
# Marts that are views, and stay views in a release's database.
_VIEWS = """
    select view_name, sql from duckdb_views()
    where database_name = current_database() and schema_name = 'billing' and view_name <> 'calls'
    order by view_name
"""
_SEEDS = """
    select table_name from duckdb_tables()
    where database_name = current_database() and schema_name = 'seeds'
    order by table_name
"""


def write_release(
    warehouse: Warehouse,
    release: Release,
    previous: Release | None,
    billing_vars: BillingVars,
    seeds: Seeds,
    through: date,
    settle_from: date,
    data_docs: str,
    record_run: Callable[[], None],
    issuer: str = "",
    *,
    is_whole: bool = True,
) -> Release:
    """Write a release, whose folder does not exist yet. Readers do not see it until
    `Published.switch_to`. It shares files with the previous one, if that has them all (`is_whole`).

    It has all settlement dates through `through`. `settle_from` is the first date that it seals.
    `seeds` is the catalogue, `data_docs` the page of the controls (HTML). `record_run` records the
    run as published in `ops.runs`, because the release contains its own run. `issuer` is who bills,
    as the site's statements say it; if it is empty, whoever issues the products.
    """
    con = warehouse.con
    whole = previous if is_whole else None
    release.parquet.mkdir(parents=True)
    record_run()
    _link_calls(warehouse, whole, release)
    # In the order of their rows, tables are written once and are a third smaller.
    con.execute("set preserve_insertion_order = true")
    # Asked for once each: the catalog puts together all that is known of them.
    views: dict[str, str] = dict(con.execute(_VIEWS).fetchall())
    seed_tables = [seed for (seed,) in con.execute(_SEEDS).fetchall()]
    beginning = beginning_of(con, previous)
    months = _changed_months(con, settle_from, through, beginning.changed.get("bill_lines"))
    by_month = views_by_month()
    for view, column in by_month.items():
        basis = _basis(con, views[view], seed_tables)
        _write_by_month(con, view, views[view], column, release, whole, months, basis)
    tables = [mart.name for mart in hashed_marts() if mart.name != "calls"]
    for mart in [*tables, *(view for view in views if view not in by_month)]:
        target = literal(str(release.table(mart)))
        con.execute(f"copy (from billing.{mart}) to {target} ({_PARQUET})")
    write_database(warehouse, release, beginning, views, seed_tables)
    con.execute("set preserve_insertion_order = false")
    write_site(warehouse, billing_vars, release, whole, (settle_from, through), data_docs, issuer)
    write_contents(release)
    _manifest(con, billing_vars, seeds, release.run_id, through).write(release.folder)
    _make_all_durable(release.folder)
    return release


def _changed_months(
    con: duckdb.DuckDBPyConnection,
    settle_from: date,
    through: date,
    changed_days: Sequence[date] | None,
) -> set[date]:
    """The bill months whose bills differ now that these dates are settled: those that they are in,
    those that have ended, and those of lines that are others in the previous release, as in a
    warehouse that was made anew, whose lines have today's names. `changed_days` are the settlement
    dates of such lines, None if they are not known."""
    rows = con.execute(
        """
        select bill_month from billing.settlements where settled_on between $first and $last
        union
        select bill_month from billing.precision_adjustments
        where bill_month + interval 1 month between $first and $last
        union
        select bill_month from billing.bill_lines
        where $days is null or list_contains($days, settled_on)
        """,
        {"first": settle_from, "last": through, "days": changed_days},
    ).fetchall()
    return {month for (month,) in rows}


def _write_by_month(
    con: duckdb.DuckDBPyConnection,
    view: str,
    statement: str,
    column: str,
    release: Release,
    previous: Release | None,
    changed: set[date],
    basis: str,
) -> None:
    """Write a view's Parquet files, one a bill month. Months that are as they were are linked.

    `statement` creates the view. The column `column` of its last select is the bill month. A file's
    name is the hash `basis`. A file of another name is not linked.
    """
    name = f"{basis}.parquet"
    months = con.execute(
        "select distinct bill_month from billing.monthly_bills order by 1"
    ).fetchall()
    query = statement.partition(" AS ")[2].rstrip("; \n")
    for (month,) in months:
        folder = release.of_month(view, month)
        folder.mkdir(parents=True)
        before = previous.of_month(view, month) / name if previous else None
        if before is not None and month not in changed and before.exists():
            link_or_copy(before, folder / name)
        else:
            con.execute(
                f"copy ({query} where {column} = date '{month}')"
                f" to {literal(str(folder / name))} ({_PARQUET})"
            )


def _make_all_durable(folder: Path) -> None:
    """Make a release's files durable and read-only, and then their names.

    Many at once: the disk then writes its journal once for many of them, and thousands of a site's
    scripts take a tenth of the time.
    """
    files, folders = [], []
    for path, _folders, names in os.walk(folder):
        folders.append(Path(path))
        files += [Path(path, name) for name in names]
    with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
        list(pool.map(_make_durable, files))
        list(pool.map(sync_folder, folders))


def _make_durable(path: Path) -> None:
    """Make a file durable and read-only. One linked from the previous release is both already."""
    if path.stat().st_mode & 0o222:
        sync_file(path)
        path.chmod(0o444)


def _link_calls(warehouse: Warehouse, previous: Release | None, release: Release) -> None:
    """Link the files of calls, from the previous release where it has the date, otherwise from the
    warehouse.

    The files of a sealed date are never written again, so all releases can share them.
    """
    for settled_on, source in warehouse.layout.dates(CALLS).items():
        if previous is not None and previous.calls_of(settled_on).is_dir():
            source = previous.calls_of(settled_on)
        target = release.calls_of(settled_on)
        target.mkdir(parents=True)
        for file in sorted(source.glob("*.parquet")):
            link_or_copy(file, target / file.name.replace(CALLS, "calls"))


def _basis(con: duckdb.DuckDBPyConnection, view: str, seeds: Sequence[str]) -> str:
    """A hash of what a view's rows depend on beside their month's bill: the view, and the catalogue
    in the tables `seeds`."""
    catalogue = [con.execute(f"from seeds.{seed} order by all").fetchall() for seed in seeds]
    return sha256(repr([plain_text(view), *catalogue]).encode()).hexdigest()[:32]


def _manifest(
    con: duckdb.DuckDBPyConnection,
    billing_vars: BillingVars,
    seeds: Seeds,
    run_id: str,
    through: date,
) -> Manifest:
    loads = con.execute(
        """
        select source_file_id, feed, path, format, arrived_on, settlement_floor, quarantine_reason,
            reading_rules, shape_sha256, arrival
        from ops.loaded_files order by settlement_floor, feed, path, source_file_id
        """
    ).fetchall()
    declarations: dict[str | None, str] = dict(
        con.execute("select shape_sha256, declaration from ops.shape_declarations").fetchall()
    )
    retries: defaultdict[tuple[str, str], list[Retry]] = defaultdict(list)
    for source_file_id, feed, floor, line_numbers, reading_rules, shape in con.execute(
        "select source_file_id, feed, settlement_floor, line_numbers, reading_rules, shape_sha256"
        " from ops.retries order by run_id"
    ).fetchall():
        retries[source_file_id, feed].append(
            Retry(floor, tuple(line_numbers), reading_rules, declarations.get(shape, ""))
        )
    rejected = {
        (source_file_id, feed): "all" if whole else as_ranges(line_numbers)
        for source_file_id, feed, whole, line_numbers in con.execute(
            """
            select source_file_id, feed, bool_or(line_number is null),
                list(line_number order by line_number)
            from ops.rejected_lines
            group by source_file_id, feed
            """
        ).fetchall()
    }
    return Manifest(
        run_id=run_id,
        through=through,
        versions=_versions(),
        vars=figure_vars(billing_vars),
        seeds=seeds,
        loads=[
            SourceLoad(
                *load[:-3],  # type: ignore[misc]
                reading_rules=load[-3],
                shape_sha256=load[-2],
                arrival=load[-1],
                declaration=declarations.get(load[-2], ""),
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
        date_rules={
            day: DateRules(billing_rules, hash_recipe)
            for day, billing_rules, hash_recipe in con.execute(
                "select settled_on, billing_rules, hash_recipe from ops.settlement_hashes"
            ).fetchall()
        },
        counts_from={
            (seed, tuple(row)): day
            for seed, row, day in con.execute(
                "select seed, row, counts_from from ops.catalogue_rows"
            ).fetchall()
        },
    )


def _versions() -> dict[str, Any]:
    packages = ("duckdb", "dbt-core", "dbt-duckdb", "great-expectations")
    return {
        "callbill": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }
