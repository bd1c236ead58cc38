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
from callbill.ingest.load import load_landing
from callbill.jobs.locks import run_lock
from callbill.jobs.run import (
    RunSummary,
    check_landing,
    new_run_id,
    record_end,
    record_start,
    settle_dates,
)
from callbill.jobs.sealing import (
    adopted_warehouse,
    check_all_loaded,
    check_figures_unchanged,
    check_judged_alike,
    first_due,
    set_built_through,
    take_over_history,
)
from callbill.release.differences import differences_from_release
from callbill.release.manifest import Manifest, Retry, SourceLoad
from callbill.release.writing import DATABASE, current_manifest, current_release
from callbill.warehouse.warehouse import open_replaceable


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
        release = current_release(settings.published)
        current = current_manifest(settings.published)
        if release is None or current is None:
            raise UsageError(
                f"nothing was published in {settings.published} yet: there is nothing to rebuild, "
                "`callbill run` makes a new warehouse"
            )
        summary = RunSummary(new_run_id(current), current.through)
        reporter.run_id = summary.run_id
        unreleased = _unreleased(settings, current)
        aside = settings.warehouse.with_name(f"{settings.warehouse.name}.replaced-{summary.run_id}")
        with _moved_aside(settings, aside) as moved:
            _rebuild(settings, current, release, unreleased, summary, reporter)
    replaced = sorted(aside.parent.glob(f"{settings.warehouse.name}.replaced-*"))
    return summary, replaced if moved else []


@contextmanager
def _moved_aside(settings: Settings, aside: Path) -> Iterator[bool]:
    """Have the warehouse out of the way; if what then happens fails, put it back."""
    log = settings.warehouse.with_name(settings.warehouse.name + ".wal")
    # The database first: whoever finds the other files without it keeps them aside.
    parts = [path for path in (settings.warehouse, log, settings.warehouse_files) if path.exists()]
    if parts:
        aside.mkdir()
    for path in parts:
        path.rename(aside / path.name)
    try:
        yield bool(parts)
    except BaseException:
        settings.warehouse.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        shutil.rmtree(settings.warehouse_files, ignore_errors=True)
        for path in reversed(parts):
            (aside / path.name).rename(path)
        if parts:
            aside.rmdir()
        raise


def _rebuild(
    settings: Settings,
    current: Manifest,
    release: Path,
    unreleased: _Unreleased,
    summary: RunSummary,
    reporter: Reporter,
) -> None:
    billing_vars = BillingVars(**current.vars)
    with adopted_warehouse(settings, current) as con:
        record_start(con, summary)
        with reporter.step("ingest", landing=settings.landing):
            summary.loaded = load_landing(
                con,
                settings,
                billing_vars,
                summary.run_id,
                current.through,
                None,
                unreleased.loads or current.known,
                reporter.announce,
                only_known=True,
            )
        check_all_loaded(con, current)
        check_judged_alike(con, current, summary.run_id)
        _check_still_there(con, unreleased.paths)
        settle_from = first_due(con, current.through)
        if settle_from is None:
            raise CallbillError("the current release names no file, and yet settled something")
        settle_dates(con, settings, billing_vars, summary, reporter, settle_from)
        check_figures_unchanged(con, current, billing_vars)
        _check_nothing_changed(con, release, summary)
        set_built_through(con, current.through)
        take_over_history(con, release)
        for table, rows in (
            ("ops.source_files", unreleased.withdrawn),
            ("ops.runs", unreleased.runs),
        ):
            for row in rows:
                con.execute(
                    f"insert or ignore into {table} values ({', '.join('?' * len(row))})", row
                )
        summary.outcome, summary.sealed_through = "rebuilt", current.through
        record_end(con, summary, reporter)


@dataclass(frozen=True)
class _Unreleased:
    """What the old warehouse knows that no release tells of."""

    # Files to come, by content; what counts of them is loaded anew by the next run.
    paths: dict[str, str] = field(default_factory=dict)
    # Files as they are to be known: withdrawn, or with lines read again.
    loads: dict[tuple[str, str], SourceLoad] = field(default_factory=dict)
    withdrawn: list[tuple[object, ...]] = field(default_factory=list)
    runs: list[tuple[object, ...]] = field(default_factory=list)


def _unreleased(settings: Settings, current: Manifest) -> _Unreleased:
    con = open_replaceable(settings.warehouse)
    if con is None:
        return _Unreleased()
    try:
        files = con.execute("from ops.source_files").fetchall()
        retries = con.execute(
            "select feed, source_file_id, settlement_floor, line_numbers from ops.retries"
            " where settlement_floor > ? order by run_id",
            [current.through],
        ).fetchall()
        runs = con.execute("from ops.runs where run_id > ?", [current.run_id]).fetchall()
        reasons = con.execute(
            "select feed, source_file_id, quarantine_reason from ops.source_files"
            " where quarantine_reason is not null"
        ).fetchall()
    except duckdb.Error:
        return _Unreleased()  # damaged, or an older callbill's
    finally:
        con.close()
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
    unknown = [row for row in files if (row[1], row[0]) not in current.known]
    return _Unreleased(
        {str(r[0]): str(r[2]) for r in unknown if (r[1], r[0]) not in withdrawn},
        loads,
        [row for row in unknown if (row[1], row[0]) in withdrawn],
        runs,
    )


def _check_still_there(con: duckdb.DuckDBPyConnection, unsealed: Mapping[str, str]) -> None:
    found = con.execute("select source_file_id from ops.landing_entries").fetchall()
    gone = [path for name, path in unsealed.items() if (name,) not in found]
    if gone:
        raise UsageError(
            f"{len(gone)} file(s) that the warehouse had loaded, but that no release names yet, "
            f"are no longer in the landing folder, {gone[0]} among them: put them back, or move "
            "the warehouse away if they are not wanted"
        )


def _check_nothing_changed(
    con: duckdb.DuckDBPyConnection, release: Path, summary: RunSummary
) -> None:
    changed: list[date] = [
        row[0]
        for row in con.execute(
            """
            select settled_on from ops.sealed_settlements
            full outer join ops.settlement_hashes as h using (settled_on)
            where ops.sealed_settlements.content_hash is distinct from h.content_hash
            order by settled_on
            """
        ).fetchall()
    ]
    if changed:
        days = ", ".join(map(str, changed[:5])) + (" ..." if len(changed) > 5 else "")
        raise ControlFailedError(
            f"the rebuild would change {len(changed)} sealed settlement date(s): {days}; "
            "nothing was replaced",
            results=summary.errors,
            differences=(
                differences_from_release(con, release, changed)
                if (release / DATABASE).exists()
                else ()
            ),
        )
    if summary.errors:
        names = ", ".join(r.control_id for r in summary.errors)
        raise ControlFailedError(
            f"nothing was replaced, these controls failed: {names}", results=summary.errors
        )
