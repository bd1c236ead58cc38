"""Making the warehouse anew from the landing folder and the current release.

Floors, vars and seeds are those that the release names, so that the same figures come out; a date
that comes out otherwise than it was sealed stops the rebuild.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import duckdb

from callbill.base.errors import CallbillError, ControlFailedError, UsageError
from callbill.base.progress import Reporter
from callbill.base.settings import BillingVars, Settings
from callbill.jobs.loading import load_landing
from callbill.jobs.locks import run_lock
from callbill.jobs.run import check_landing, settle_dates
from callbill.jobs.sealing import (
    adopted_warehouse,
    check_all_loaded,
    check_figures_unchanged,
    check_judged_alike,
    take_catalogue,
    take_over_history,
)
from callbill.jobs.summary import RunSummary, record_end, record_start
from callbill.release.differences import differences_from_release
from callbill.release.manifest import Manifest
from callbill.release.release import Published, Release, new_run_id
from callbill.warehouse.layout import Layout
from callbill.warehouse.loads import FileKey, Retry, SourceLoad
from callbill.warehouse.warehouse import Record, Warehouse


def rebuild_job(settings: Settings, reporter: Reporter) -> tuple[RunSummary, list[Path]]:
    """Make the warehouse anew, through the last sealed date; the old one is kept beside it, and
    where is told, with those that earlier rebuilds replaced.

    Raises UsageError if there is no release, or files that it was made from are gone, or such that
    the old warehouse had loaded for what is not sealed yet;
    ControlFailedError, with the rows, if a sealed date would change. Then the old warehouse is put
    back.
    """
    check_landing(settings)
    with run_lock(settings):
        release = Published(settings.published).require_current(
            "there is nothing to rebuild, `callbill run` makes a new warehouse"
        )
        current = release.manifest
        summary = RunSummary(new_run_id(current), current.through)
        reporter.run_id = summary.run_id
        unreleased = _unreleased(settings, current)
        layout = Layout(settings.warehouse)
        with _moved_aside(layout, layout.replaced(summary.run_id)) as moved:
            _rebuild(settings, release, unreleased, summary, reporter)
    return summary, layout.all_replaced if moved else []


@contextmanager
def _moved_aside(layout: Layout, aside: Path) -> Iterator[bool]:
    """Have the warehouse out of the way; if what then happens fails, put it back."""
    # The database first: whoever finds the other files without it keeps them aside.
    parts = [path for path in (layout.database, layout.log, layout.files) if path.exists()]
    if parts:
        aside.mkdir()
    for path in parts:
        path.rename(aside / path.name)
    try:
        yield bool(parts)
    except BaseException:
        layout.database.unlink(missing_ok=True)
        layout.log.unlink(missing_ok=True)
        shutil.rmtree(layout.files, ignore_errors=True)
        for path in reversed(parts):
            (aside / path.name).rename(path)
        if parts:
            aside.rmdir()
        raise


def _rebuild(
    settings: Settings,
    release: Release,
    unreleased: _Unreleased,
    summary: RunSummary,
    reporter: Reporter,
) -> None:
    current = release.manifest
    billing_vars = BillingVars(**current.vars)
    with adopted_warehouse(settings, current) as warehouse:
        record_start(warehouse, summary)
        with reporter.step("ingest", landing=settings.landing):
            summary.loaded = load_landing(
                warehouse,
                settings.landing,
                billing_vars,
                summary.run_id,
                current.through,
                None,
                unreleased.loads or current.known,
                reporter.announce,
                only_known=True,
            )
        check_all_loaded(warehouse, current)
        check_judged_alike(warehouse, current, summary.run_id)
        take_catalogue(warehouse, current)
        _check_still_there(warehouse, unreleased.paths)
        settle_from = warehouse.first_due(current.through)
        if settle_from is None:
            raise CallbillError("the current release names no file, and yet settled something")
        settle_dates(warehouse, settings, billing_vars, summary, reporter, settle_from)
        check_figures_unchanged(warehouse, current, billing_vars)
        _check_nothing_changed(warehouse, release, summary)
        warehouse.built_through = current.through
        take_over_history(warehouse, release)
        for table, rows in (
            ("ops.loaded_files", unreleased.withdrawn),
            ("ops.runs", unreleased.runs),
        ):
            for row in rows:
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                warehouse.execute(
                    f"insert or ignore into {table} ({names}) values ({marks})",
                    list(row.values()),
                )
        summary.outcome, summary.sealed_through = "rebuilt", current.through
        record_end(warehouse, summary, reporter.seconds)


@dataclass(frozen=True)
class _Unreleased:
    """What the old warehouse knows that no release tells of."""

    # Files to come, by content; what counts of them is loaded anew by the next run.
    paths: dict[str, str] = field(default_factory=dict)
    # Files as they are to be known: withdrawn, or with lines read again.
    loads: dict[FileKey, SourceLoad] = field(default_factory=dict)
    withdrawn: list[Record] = field(default_factory=list)
    runs: list[Record] = field(default_factory=list)


def _unreleased(settings: Settings, current: Manifest) -> _Unreleased:
    warehouse = Warehouse.open_replaceable(settings.warehouse)
    if warehouse is None:
        return _Unreleased()
    try:
        files = warehouse.records("from ops.source_files")
        retries = warehouse.rows(
            "select feed, source_file_id, settlement_floor, line_numbers from ops.retries"
            " where settlement_floor > ? order by run_id",
            [current.through],
        )
        runs = warehouse.records("from ops.runs where run_id > ?", [current.run_id])
        reasons = warehouse.rows(
            "select feed, source_file_id, quarantine_reason from ops.source_files"
            " where quarantine_reason is not null"
        )
    except duckdb.Error:
        return _Unreleased()  # damaged, or an older callbill's
    finally:
        warehouse.close()
    loads = dict(current.known)
    for feed, name, reason in reasons:
        if (feed, name) in loads:
            loads[feed, name] = replace(loads[feed, name], quarantine_reason=reason)
    for feed, name, floor, numbers in retries:
        if (feed, name) in loads:
            load = loads[feed, name]
            again = (*load.retries, Retry(floor, tuple(numbers)))
            loads[feed, name] = replace(load, retries=again)
    withdrawn = {(feed, name) for feed, name, _reason in reasons}
    unknown = {(file["feed"], file["source_file_id"]): file for file in files}
    for key in current.known:
        unknown.pop(key, None)
    return _Unreleased(
        {
            name: file["path"]
            for (feed, name), file in unknown.items()
            if (feed, name) not in withdrawn
        },
        loads,
        [file for key, file in unknown.items() if key in withdrawn],
        runs,
    )


def _check_still_there(warehouse: Warehouse, unsealed: Mapping[str, str]) -> None:
    found = warehouse.rows("select source_file_id from ops.landing_entries")
    gone = [path for name, path in unsealed.items() if (name,) not in found]
    if gone:
        raise UsageError(
            f"{len(gone)} file(s) that the warehouse had loaded, but that no release names yet, "
            f"are no longer in the landing folder, {gone[0]} among them: put them back, or move "
            "the warehouse away if they are not wanted"
        )


def _check_nothing_changed(warehouse: Warehouse, release: Release, summary: RunSummary) -> None:
    changed: list[date] = [
        row[0]
        for row in warehouse.rows(
            """
            select settled_on from ops.sealed_settlements
            full outer join ops.settlement_hashes as h using (settled_on)
            where ops.sealed_settlements.content_hash is distinct from h.content_hash
            order by settled_on
            """
        )
    ]
    if changed:
        days = ", ".join(map(str, changed[:5])) + (" ..." if len(changed) > 5 else "")
        raise ControlFailedError(
            f"the rebuild would change {len(changed)} sealed settlement date(s): {days}; "
            "nothing was replaced",
            results=summary.errors,
            differences=(
                differences_from_release(warehouse, release, changed)
                if release.database.exists()
                else ()
            ),
        )
    if summary.errors:
        names = ", ".join(r.control_id for r in summary.errors)
        raise ControlFailedError(
            f"nothing was replaced, these controls failed: {names}", results=summary.errors
        )
