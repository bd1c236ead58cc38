"""Rebuilds the warehouse from the landing folder and the current release.

Settlement floors, vars, seeds and rules are those that the release names, so the figures must be
the same. If a sealed date would change, the rebuild fails and the old warehouse is put back. A
rebuild publishes nothing. Where landing files were archived and are away, it goes on from the
checkpoint (`restoring`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import duckdb

from callbill.base.errors import CallbillError, ControlFailedError, UsageError
from callbill.base.places import shown
from callbill.base.progress import Reporter
from callbill.base.settings import BillingVars, Settings
from callbill.jobs.loading import load_landing
from callbill.jobs.locks import run_lock
from callbill.jobs.moved_aside import moved_aside
from callbill.jobs.restoring import restore_where_needed
from callbill.jobs.run import check_landing
from callbill.jobs.sealing import (
    adopted_warehouse,
    check_all_loaded,
    check_figures_unchanged,
    check_no_new_rejects,
    copy_release_history,
    record_catalogue,
)
from callbill.jobs.settling import settle_dates
from callbill.jobs.summary import RunSummary, record_end, record_start
from callbill.release.differences import differences_from_release
from callbill.release.manifest import Manifest
from callbill.release.release import Release, new_run_id
from callbill.release.store import published_by
from callbill.tasks.exchange import Exchange
from callbill.tasks.look import look_at
from callbill.tasks.workers import workers_for
from callbill.warehouse.layout import Layout
from callbill.warehouse.loads import SHA256_LENGTH, FileKey, Retry, SourceLoad
from callbill.warehouse.warehouse import Record, Warehouse


def rebuild_job(settings: Settings, reporter: Reporter) -> tuple[RunSummary, list[Path]]:
    """Rebuild the warehouse through the last sealed date.

    The old warehouse is kept beside the new one. The result names its folder, with those of earlier
    rebuilds. Where the rebuild fails, the old warehouse is put back.

    Raises UsageError if there is no release, or if a file is gone that the release was made from or
    that the old warehouse had loaded since; ControlFailedError, with the rows that differ, if a
    sealed date would change; LockedError if another run is at work.
    """
    check_landing(settings)
    with run_lock(settings):
        release = published_by(settings).require_current(
            "there is nothing to rebuild, `callbill run` makes a new warehouse"
        )
        current = release.manifest
        summary = RunSummary(new_run_id(current), current.through)
        reporter.run_id = summary.run_id
        unreleased = _unreleased(settings, current)
        settings = _with_buckets(settings)
        layout = Layout(settings.warehouse)
        with moved_aside(layout, summary.run_id) as moved:
            _rebuild(settings, release, unreleased, summary, reporter)
    return summary, layout.all_replaced if moved else []


def _with_buckets(settings: Settings) -> Settings:
    """The settings, with the number of buckets that the old warehouse has if they name none."""
    old = Warehouse.open_replaceable(settings.warehouse) if settings.buckets is None else None
    if old is None:
        return settings
    try:
        return settings.model_copy(update={"buckets": old.buckets})
    except duckdb.Error:
        return settings  # the file is damaged, or an older callbill wrote it
    finally:
        old.close()


def _rebuild(
    settings: Settings,
    release: Release,
    unreleased: _Unreleased,
    summary: RunSummary,
    reporter: Reporter,
) -> None:
    current = release.manifest
    billing_vars = BillingVars(**current.vars)
    summary.checkpoint = restore_where_needed(settings, current, reporter)
    with adopted_warehouse(settings, current) as warehouse, workers_for(settings) as workers:
        record_start(warehouse, summary)
        if not workers.is_this_process:
            Exchange(settings).clear()
            look_at(workers, settings, summary.run_id)
        with reporter.step("ingest", landing=shown(settings.landing)):
            summary.loaded = load_landing(
                warehouse,
                settings,
                billing_vars,
                summary.run_id,
                current.through,
                None,
                unreleased.loads or current.loads_by_key,
                reporter.track_bytes,
                workers,
                only_released=True,
            )
        check_all_loaded(warehouse, current)
        check_no_new_rejects(warehouse, current, summary.run_id)
        record_catalogue(warehouse, settings, current)
        _check_unreleased_files_present(warehouse, unreleased.paths)
        settle_from = warehouse.first_due(current.through)
        if settle_from is None:
            raise CallbillError("the current release names no file, and yet settled something")
        if settle_from <= current.through:
            settle_dates(warehouse, settings, billing_vars, summary, reporter, settle_from, workers)
        check_figures_unchanged(warehouse, settings, current, billing_vars)
        _check_nothing_changed(warehouse, release, summary)
        warehouse.built_through = current.through
        copy_release_history(warehouse, release)
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
    """What the old warehouse has that the current release does not name."""

    # Paths of files that count, by id. The next run loads them again.
    paths: dict[str, str] = field(default_factory=dict)
    # The release's loads, with withdrawals and lines read again since.
    loads: dict[FileKey, SourceLoad] = field(default_factory=dict)
    # Rows of `ops.source_files` and `ops.runs` to copy.
    withdrawn: list[Record] = field(default_factory=list)
    runs: list[Record] = field(default_factory=list)


def _unreleased(settings: Settings, current: Manifest) -> _Unreleased:
    warehouse = Warehouse.open_replaceable(settings.warehouse)
    if warehouse is None:
        return _Unreleased()
    try:
        files = warehouse.records("from ops.source_files")
        retries = warehouse.records(
            "from ops.retries where settlement_floor > ? order by run_id", [current.through]
        )
        runs = warehouse.records("from ops.runs where run_id > ?", [current.run_id])
    except duckdb.Error:
        return _Unreleased()  # the file is damaged, or an older callbill wrote it
    finally:
        warehouse.close()
    for file in files:
        file["source_file_id"] = file.pop("delivery_id", file["source_file_id"])
    loads = dict(current.loads_by_key)
    new_files: dict[FileKey, Record] = {(f["feed"], f["source_file_id"]): f for f in files}
    withdrawn = {key for key, file in new_files.items() if file["quarantine_reason"] is not None}
    for key in withdrawn & loads.keys():
        loads[key] = replace(loads[key], quarantine_reason=new_files[key]["quarantine_reason"])
    for retry in retries:
        key = (retry["feed"], retry["source_file_id"])
        if key in loads:
            again = Retry(
                retry["settlement_floor"],
                tuple(retry["line_numbers"]),
                retry.get("reading_rules", 1),
            )
            loads[key] = replace(loads[key], retries=(*loads[key].retries, again))
    for key in current.loads_by_key:
        new_files.pop(key, None)
    return _Unreleased(
        {
            name: file["path"]
            for (feed, name), file in new_files.items()
            if (feed, name) not in withdrawn
        },
        loads,
        [file for key, file in new_files.items() if key in withdrawn],
        runs,
    )


def _check_unreleased_files_present(warehouse: Warehouse, paths: Mapping[str, str]) -> None:
    """Raises UsageError if a file, by id and path, is no longer in the landing folder."""
    present = warehouse.rows("select source_file_id from ops.landing_entries")
    gone = [path for name, path in paths.items() if (name[:SHA256_LENGTH],) not in present]
    if gone:
        raise UsageError(
            f"{len(gone)} file(s) that the warehouse had loaded, but that no release names yet, "
            f"are no longer in the landing folder, {gone[0]} among them: put them back, or move "
            "the warehouse away if they are not wanted"
        )


def _check_nothing_changed(warehouse: Warehouse, release: Release, summary: RunSummary) -> None:
    """Raises ControlFailedError if the rebuild would change a sealed date, or a control failed."""
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
