"""Making the warehouse anew from the landing folder and the current release.

Floors, vars and seeds are those that the release names, so that the same figures come out; a date
that comes out otherwise than it was sealed stops the rebuild.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb

from pipelines.errors import CallbillError, ControlFailedError, UsageError
from pipelines.ingest.load import load_landing
from pipelines.locking import run_lock
from pipelines.progress import Reporter
from pipelines.publish.differences import differences_from_release
from pipelines.publish.manifest import Manifest
from pipelines.publish.release import DATABASE, current_manifest, current_release
from pipelines.run import (
    RunSummary,
    check_landing,
    new_run_id,
    record_end,
    record_start,
    settle_dates,
)
from pipelines.seal import (
    adopted_warehouse,
    check_all_loaded,
    check_figures_unchanged,
    first_due,
    set_built_through,
)
from pipelines.settings import BillingVars, Settings
from pipelines.sql import literal
from pipelines.warehouse import open_replaceable


def rebuild_job(settings: Settings, *, json_logs: bool = False) -> tuple[RunSummary, list[Path]]:
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
        summary = RunSummary(new_run_id(settings), current.through)
        reporter = Reporter(summary.run_id, json_logs=json_logs)
        unsealed, withdrawn = _unsealed_loads(settings, current)
        aside = settings.warehouse.with_name(f"{settings.warehouse.name}.replaced-{summary.run_id}")
        with _moved_aside(settings, aside) as moved:
            _rebuild(settings, current, release, unsealed, withdrawn, summary, reporter)
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
    unsealed: Mapping[str, str],
    withdrawn: Sequence[Sequence[object]],
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
                current.known,
                reporter.announce,
                only_known=True,
            )
        check_all_loaded(con, current)
        _check_still_there(con, unsealed)
        settle_from = first_due(con, current.through)
        if settle_from is None:
            raise CallbillError("the current release names no file, and yet settled something")
        settle_dates(con, settings, billing_vars, summary, reporter, settle_from)
        check_figures_unchanged(con, current, billing_vars)
        _check_nothing_changed(con, release, summary)
        set_built_through(con, current.through)
        _take_over_history(con, release)
        for row in withdrawn:
            con.execute(f"insert into ops.source_files values ({', '.join('?' * len(row))})", row)
        summary.outcome, summary.sealed_through = "rebuilt", current.through
        record_end(con, summary, reporter)


def _unsealed_loads(
    settings: Settings, current: Manifest
) -> tuple[dict[str, str], list[tuple[object, ...]]]:
    """Of the files that the old warehouse has loaded and no release names: their paths by content,
    and the manifest rows of those that were withdrawn."""
    con = open_replaceable(settings.warehouse)
    if con is None:
        return {}, []
    try:
        rows = con.execute(
            "select feed, source_file_id, path, quarantine_reason from ops.source_files"
        ).fetchall()
        withdrawn = con.execute(
            "from ops.source_files where quarantine_reason is not null"
        ).fetchall()
    except duckdb.Error:
        return {}, []  # damaged
    finally:
        con.close()
    return (
        {
            name: path
            for feed, name, path, reason in rows
            if (feed, name) not in current.known and reason is None
        },
        [row for row in withdrawn if (row[1], row[0]) not in current.known],
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


def _take_over_history(con: duckdb.DuckDBPyConnection, release: Path) -> None:
    """Runs, their controls, when a file was loaded and why a line was rejected, as far as the
    release tells of them."""
    if not (release / DATABASE).exists():
        return
    con.execute(f"attach {literal(str(release / DATABASE))} as sealed (read_only)")
    try:
        con.execute("insert or ignore into ops.runs by name from sealed.ops.runs")
        con.execute("insert into ops.control_results by name from sealed.ops.control_results")
        con.execute(
            """
            update ops.source_files set run_id = known.run_id, loaded_at = known.loaded_at
            from sealed.ops.source_files as known
            where source_files.feed = known.feed
                and source_files.source_file_id = known.source_file_id
            """
        )
        con.execute(
            """
            update ops.rejected_records as again
            set run_id = known.run_id, reason = known.reason, detail = known.detail,
                fields = known.fields
            from sealed.ops.rejected_records as known
            where again.feed = known.feed and again.source_file_id = known.source_file_id
                and again.line_number is not distinct from known.line_number
            """
        )
    finally:
        con.execute("detach sealed")
