"""The job: adopt what is sealed, ingest, build, check, publish."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from pipelines import __version__
from pipelines.ahead import import_ahead
from pipelines.build import build_models, build_on_spark, complete_partitions, prepare_partitions
from pipelines.errors import CallbillError, ControlFailedError, UsageError
from pipelines.ingest.batch import LoadReport
from pipelines.ingest.load import load_landing
from pipelines.locking import run_lock
from pipelines.machine import fault_of_machine
from pipelines.progress import Reporter
from pipelines.publish.hashes import refresh_hashes
from pipelines.publish.manifest import Manifest
from pipelines.publish.release import (
    RUN_ID,
    current_manifest,
    remove_old_releases,
    remove_unfinished,
    switch_to,
    write_release,
)
from pipelines.quality import ControlResult, due_controls, keep_results, run_controls
from pipelines.seal import (
    adopt,
    adopted_warehouse,
    built_through,
    check_all_loaded,
    check_figures_unchanged,
    check_judged_alike,
    first_due,
    set_built_through,
    take_over_history,
)
from pipelines.settings import BillingVars, Settings, load_thresholds, load_vars, today_or_utc
from pipelines.spark import check_engine
from pipelines.status import write_status
from pipelines.stopping import finish_first, is_told, last_words
from pipelines.warehouse import drop_files_aside


@dataclass
class RunSummary:
    """What a run came to."""

    run_id: str
    through: date
    outcome: str = "running"
    settle_from: date | None = None
    sealed_through: date | None = None
    release: Path | None = None
    message: str = ""
    loaded: LoadReport = field(default_factory=LoadReport)
    results: list[ControlResult] = field(default_factory=list)
    data_docs: str = ""

    @property
    def errors(self) -> list[ControlResult]:
        """The controls that stop publication."""
        return [r for r in self.results if not r.passed and r.severity == "error"]


def told(summary: RunSummary) -> dict[str, object]:
    """A summary as a line of log tells it."""
    return {
        "outcome": summary.outcome,
        "message": summary.message,
        "settle_from": summary.settle_from,
        "sealed_through": summary.sealed_through,
        "files_loaded": summary.loaded.files,
        "records_accepted": summary.loaded.accepted,
        "records_rejected": summary.loaded.rejected,
    }


def run_job(settings: Settings, reporter: Reporter, *, dry_run: bool = False) -> RunSummary:
    """Settle every date up to `settings.through` that is not sealed yet, and publish it.

    Raises ControlFailedError, UsageError, LockedError or CallbillError; then nothing was published
    or sealed, and the last release stands.
    """
    today = today_or_utc(settings)
    summary = RunSummary(new_run_id(None), settings.through or today)
    reporter.run_id = summary.run_id
    if dry_run:
        _job(settings, summary, reporter, today, dry_run=True)
        return summary

    def tell() -> None:
        write_status(settings.published / "status", summary, reporter.seconds, today)

    def tell_of_the_end() -> None:
        if summary.outcome == "running":
            summary.outcome, summary.message = "failed", _STOPPED
        tell()

    with last_words(tell_of_the_end):
        try:
            _job(settings, summary, reporter, today, dry_run=False)
        except BaseException as error:
            summary.outcome, summary.message = _outcome(error), _said(error)
            raise
        finally:
            try:
                tell()
            except OSError as error:
                reporter.log("status not written", why=error.strerror)
    return summary


def tell_refused(published: Path, error: UsageError) -> None:
    """The status of a run whose settings cannot be read."""
    today = datetime.now(UTC).date()
    summary = RunSummary(new_run_id(None), today, outcome="failed", message=str(error))
    with suppress(CallbillError, OSError):
        current = current_manifest(published)
        summary.sealed_through = current.through if current else None
        write_status(published / "status", summary, {}, today)


def _job(
    settings: Settings, summary: RunSummary, reporter: Reporter, today: date, *, dry_run: bool
) -> None:
    current = current_manifest(settings.published)
    summary.sealed_through = current.through if current else None
    billing_vars = load_vars(settings)
    load_thresholds(settings)  # a mistyped one ends the run before it begins
    if summary.through > today:
        raise UsageError(
            f"--through {summary.through} lies in the future: it is {today} in "
            f"{billing_vars.billing_timezone}"
        )
    check_landing(settings)
    with run_lock(settings):
        current = current_manifest(settings.published)
        summary.run_id = reporter.run_id = new_run_id(current)
        with _scratch_copy(settings) if dry_run else _itself(settings) as place:
            _run(place, billing_vars, summary, reporter, current, dry_run=dry_run)


_STOPPED = "stopped"


def _outcome(error: BaseException) -> str:
    return "control_failed" if isinstance(error, ControlFailedError) else "failed"


def _said(error: BaseException) -> str:
    if is_told() or isinstance(error, KeyboardInterrupt):
        return _STOPPED
    if isinstance(error, CallbillError):
        return str(error)
    return fault_of_machine(error) or f"{type(error).__name__}: {error}"


def check_landing(settings: Settings) -> None:
    """UsageError if there is no landing folder: an empty one is no error, a mistyped one is."""
    if not settings.landing.is_dir():
        raise UsageError(f"landing folder {settings.landing} is not there; name it with --landing")


def _run(
    settings: Settings,
    billing_vars: BillingVars,
    summary: RunSummary,
    reporter: Reporter,
    current: Manifest | None,
    *,
    dry_run: bool,
) -> None:
    with adopted_warehouse(settings, current) as con:
        summary.sealed_through = current.through if current else None
        record_start(con, summary)
        if current is not None and summary.through <= current.through:
            summary.outcome = "nothing_due"
            summary.message = f"everything through {current.through} is sealed already"
            record_end(con, summary, reporter)
            return
        try:
            check_figures_unchanged(con, current, billing_vars)
            _settle(con, settings, billing_vars, summary, reporter, current, dry_run=dry_run)
        except BaseException as error:
            summary.outcome, summary.message = _outcome(error), _said(error)
            with suppress(duckdb.Error):
                con.rollback()
            record_end(con, summary, reporter)
            raise


def _settle(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    billing_vars: BillingVars,
    summary: RunSummary,
    reporter: Reporter,
    current: Manifest | None,
    *,
    dry_run: bool,
) -> None:
    check_engine(con, settings, built_through(con))
    # While Great Expectations is imported nothing of Spark's can be (pipelines.quality).
    imports = import_ahead() if settings.engine == "duckdb" else None
    with reporter.step("ingest", landing=settings.landing):
        summary.loaded = load_landing(
            con,
            settings,
            billing_vars,
            summary.run_id,
            summary.through,
            current.through + timedelta(days=1) if current else None,
            current.known if current else {},
            reporter.announce,
        )
    for skipped in summary.loaded.skipped:
        reporter.log("not read", file=skipped.name, why=skipped.why)
    check_all_loaded(con, current)
    check_judged_alike(con, current, summary.run_id)
    if current is not None:
        take_over_history(con, (settings.published / "current").resolve())
    drop_files_aside(settings)
    settle_from = first_due(con, summary.through)
    if settle_from is None:
        summary.outcome, summary.message = "nothing_due", "nothing was ever loaded"
        record_end(con, summary, reporter)
        return
    with reporter.step("import"):
        if imports:
            imports.join()
    settle_dates(con, settings, billing_vars, summary, reporter, settle_from)
    if summary.errors:
        names = ", ".join(f"{r.control_id} ({r.unexpected_rows} rows)" for r in summary.errors)
        raise ControlFailedError(
            f"nothing was published, these controls failed: {names}", results=summary.errors
        )
    if dry_run:
        summary.outcome = "dry_run"
        return
    with reporter.step("publish"):
        remove_unfinished(settings)
        # A release tells of its own run too.
        published = replace(summary, outcome="published")
        summary.release = write_release(
            con,
            settings,
            billing_vars,
            summary.run_id,
            summary.through,
            settle_from,
            summary.data_docs,
            lambda: record_end(con, published, reporter),
        )
        finish_first()  # once it is out, the run says so
        switch_to(settings, summary.release)
        summary.outcome = "published"
        summary.sealed_through = summary.through
        set_built_through(con, summary.through)
        adopt(con, current_manifest(settings.published))
        remove_old_releases(settings)


def settle_dates(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    billing_vars: BillingVars,
    summary: RunSummary,
    reporter: Reporter,
    settle_from: date,
) -> None:
    """Build, hash and check the settlement dates from `settle_from` to the run's last."""
    through = summary.through
    summary.settle_from = settle_from
    with reporter.step("build", settle_from=settle_from, settle_through=through):
        con.execute("delete from ops.settlement_window")
        con.execute("insert into ops.settlement_window values (?, ?)", [settle_from, through])
        prepare_partitions(settings, built_through(con), through)
        if settings.engine == "spark":
            build_on_spark(con, settings, billing_vars, settle_from, through)
        else:
            build_models(settings, billing_vars)
        days = (through - settle_from).days
        complete_partitions(settings, [settle_from + timedelta(days=n) for n in range(days + 1)])
    with reporter.step("hash"):
        refresh_hashes(con, settings)
    with reporter.step("check"):
        thresholds = load_thresholds(settings)
        with due_controls(con, settle_from, through, billing_vars, thresholds) as controls:
            report = run_controls(
                settings.warehouse,
                controls,
                timezone=billing_vars.billing_timezone,
                heading=f"run {summary.run_id}, through {through}",
            )
        summary.results, summary.data_docs = report.results, report.data_docs
        keep_results(con, summary.run_id, summary.results)
    for result in summary.results:
        if not result.passed:
            reporter.log(result.severity, control=result.control_id, rows=result.unexpected_rows)


def new_run_id(current: Manifest | None) -> str:
    """Run ids sort in the order of their runs, even if the clock was set back between two."""
    instant = datetime.now(UTC)
    if current is not None:
        last = datetime.strptime(current.run_id, RUN_ID).replace(tzinfo=UTC)
        instant = max(instant, last + timedelta(microseconds=1))
    return instant.strftime(RUN_ID)


@contextmanager
def _itself(settings: Settings) -> Iterator[Settings]:
    yield settings


@contextmanager
def _scratch_copy(settings: Settings) -> Iterator[Settings]:
    """A copy of the warehouse that a dry run may do anything to; its Parquet files are linked."""
    folder = settings.warehouse.with_name(settings.warehouse.name + ".dry-run")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    place = settings.model_copy(update={"warehouse": folder / settings.warehouse.name})
    try:
        if settings.warehouse.exists():
            shutil.copyfile(settings.warehouse, place.warehouse)
            # What a crashed run had committed may still lie in the log beside the file.
            log = settings.warehouse.with_name(settings.warehouse.name + ".wal")
            if log.exists():
                shutil.copyfile(log, place.warehouse.with_name(log.name))
            shutil.copytree(
                settings.warehouse_files, place.warehouse_files, copy_function=_link_parquet
            )
        yield place
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _link_parquet(source: str, target: str) -> None:
    # Parquet files are never written again; what dbt keeps is.
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def record_start(con: duckdb.DuckDBPyConnection, summary: RunSummary) -> None:
    con.execute(
        """
        update ops.runs set outcome = 'crashed', message = 'ended without saying how'
        where outcome = 'running'
        """
    )
    con.execute(
        "insert into ops.runs"
        " (run_id, callbill_version, started_by, started_at, through_date, outcome)"
        " values (?, ?, ?, ?, ?, 'running')",
        [summary.run_id, __version__, who(), datetime.now(UTC), summary.through],
    )


def who() -> str:
    """The user and the machine, as the audit trail names them."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def record_end(con: duckdb.DuckDBPyConnection, summary: RunSummary, reporter: Reporter) -> None:
    con.execute(
        """
        update ops.runs set
            finished_at = ?, settle_from = ?, outcome = ?, files_loaded = ?, lines_read = ?,
            records_accepted = ?, records_rejected = ?, message = ?, step_seconds = ?
        where run_id = ?
        """,
        [
            datetime.now(UTC),
            summary.settle_from,
            summary.outcome,
            summary.loaded.files,
            summary.loaded.lines_read,
            summary.loaded.accepted,
            summary.loaded.rejected,
            summary.message or None,
            json.dumps(reporter.seconds),
            summary.run_id,
        ],
    )
