"""The job that a scheduler runs: it settles what is due, if anything is.

It owns what a run checks before it begins, and what it leaves behind if it fails. The steps of a
settlement are in `settling`; what is sealed, and how a run takes it over, is in `sealing`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb

from callbill.base.attributes import attribute_pairs
from callbill.base.errors import CallbillError, UsageError
from callbill.base.progress import Reporter
from callbill.base.settings import (
    BillingVars,
    Settings,
    load_thresholds,
    load_vars,
    today_or_utc,
)
from callbill.base.stopping import on_abrupt_end
from callbill.jobs.locks import run_lock
from callbill.jobs.notices import notify
from callbill.jobs.restoring import restore_where_needed
from callbill.jobs.sealing import (
    adopted_warehouse,
    check_figures_unchanged,
    record_catalogue,
)
from callbill.jobs.status import read_status, status_of, write_status
from callbill.jobs.summary import (
    STOPPED,
    RunSummary,
    record_end,
    record_start,
)
from callbill.jobs.unbilled import (
    unbilled_calls_of,
    unbilled_to_date,
)
from callbill.jobs.unread import list_unread, log_unread
from callbill.release.manifest import Manifest
from callbill.release.release import Published, new_run_id
from callbill.release.store import published_by, put_status
from callbill.storage.folder import is_folder
from callbill.tasks.workers import workers_for
from callbill.warehouse.layout import Layout
from callbill.warehouse.warehouse import Warehouse


def run_job(
    settings: Settings, reporter: Reporter, *, dry_run: bool = False, candidate: bool = False
) -> RunSummary:
    """Settle every date through `settings.through` that is not sealed yet, and publish a release.

    Without `settings.through` the last date is today in the billing timezone. A dry run works on a
    copy of the warehouse, publishes nothing and leaves no status. A candidate works on a copy too,
    and is published without the seal.

    Raises ControlFailedError if a control failed, LockedError if another run is at work, UsageError
    for wrong settings or folders, CallbillError otherwise. Then nothing was published or sealed,
    and the last release stands.
    """
    today = today_or_utc(settings)
    summary = RunSummary(new_run_id(None), settings.through or today)
    reporter.run_id = summary.run_id
    if dry_run:
        _run_locked(settings, summary, reporter, today, dry_run=True)
        return summary

    folder = Published(settings.published).status

    def write_run_status(status: dict[str, Any]) -> None:
        write_status(folder, summary, status, today)
        put_status(settings)

    def write_status_of_abrupt_end() -> None:
        if summary.outcome == "running":
            summary.outcome, summary.message = "failed", STOPPED
        write_run_status(status_of(folder, summary, reporter.seconds))

    with on_abrupt_end(write_status_of_abrupt_end):
        try:
            _run_locked(settings, summary, reporter, today, candidate=candidate)
        except BaseException as error:
            summary.fail(error)
            raise
        finally:
            before = read_status(folder)
            status = status_of(folder, summary, reporter.seconds)
            try:
                write_run_status(status)
            except (OSError, CallbillError) as error:
                why = getattr(error, "strerror", None) or str(error)
                reporter.log("status not written", why=why)
            notify(settings, reporter, before, status)
    return summary


def report_refusal(
    published: Published, error: UsageError, settings: Settings | None, reporter: Reporter
) -> None:
    """Write the status of a run that was refused before it began, and notify. Without settings,
    because those are what is wrong, there is no command to notify with."""
    today = datetime.now(UTC).date()
    summary = RunSummary(new_run_id(None), today, outcome="failed", message=str(error))
    before = read_status(published.status)
    with suppress(CallbillError, OSError):
        current = published.current_manifest()
        summary.sealed_through = current.through if current else None
    status = status_of(published.status, summary, {})
    with suppress(OSError):
        write_status(published.status, summary, status, today)
    if settings is not None:
        notify(settings, reporter, before, status)


def _run_locked(
    settings: Settings,
    summary: RunSummary,
    reporter: Reporter,
    today: date,
    *,
    dry_run: bool = False,
    candidate: bool = False,
) -> None:
    if candidate:
        from callbill.jobs.candidates import check_candidates

        check_candidates(settings)
    current = Published(settings.published).current_manifest()
    summary.sealed_through = current.through if current else None
    billing_vars = load_vars(settings)
    load_thresholds(settings)  # raises for a mistyped threshold before the run begins
    if summary.through > today:
        raise UsageError(
            f"--through {summary.through} lies in the future: it is {today} in "
            f"{billing_vars.billing_timezone}"
        )
    check_landing(settings)
    with run_lock(settings):
        published = published_by(settings)
        current = published.current_manifest()
        summary.run_id = reporter.run_id = new_run_id(current)
        is_trial = dry_run or candidate
        place = _scratch_copy(settings) if is_trial else nullcontext(settings)
        with place as settings_of_run:
            _run(
                settings_of_run,
                published,
                billing_vars,
                summary,
                reporter,
                dry_run=dry_run,
                candidate=candidate,
            )


def check_landing(settings: Settings) -> None:
    """Raises UsageError if there is no landing folder. An empty one is no error."""
    if settings.landing.is_file():
        raise UsageError(
            f"landing folder {settings.landing} is a file: name the folder that has the folders "
            "of the feeds, such as call_logs"
        )
    if not is_folder(settings.landing):
        without_place = "" if settings.place else ", or go into a place (`callbill init` makes one)"
        raise UsageError(
            f"landing folder {settings.landing} is not there; name it with --landing{without_place}"
        )


def _run(
    settings: Settings,
    published: Published,
    billing_vars: BillingVars,
    summary: RunSummary,
    reporter: Reporter,
    *,
    dry_run: bool,
    candidate: bool,
) -> None:
    current = published.current_manifest()
    summary.checkpoint = restore_where_needed(settings, current, reporter)
    with adopted_warehouse(settings, current) as warehouse, workers_for(settings) as workers:
        summary.sealed_through = current.through if current else None
        record_start(warehouse, summary)
        try:
            check_figures_unchanged(warehouse, settings, current, billing_vars)
            if current is not None and summary.through <= current.through:
                _find_nothing_due(warehouse, settings, billing_vars, summary, reporter, current)
                return
            news = record_catalogue(warehouse, settings, current)
            for seed, row, counts_from in news:
                reporter.log(
                    "new in the catalogue", seed=seed, row=",".join(row), counts_from=counts_from
                )
            summary.new_claims = [
                (row[0], attribute_pairs("".join(row[4:])), day)
                for seed, row, day in news
                if seed == "component_actions"
            ]
            from callbill.jobs.settling import settle  # here: with nothing due it is not needed

            settle(
                warehouse,
                settings,
                published,
                billing_vars,
                summary,
                reporter,
                workers,
                dry_run=dry_run,
                candidate=candidate,
            )
        except BaseException as error:
            summary.fail(error)
            with suppress(duckdb.Error):
                warehouse.con.rollback()
            record_end(warehouse, summary, reporter.seconds)
            if not reporter.json_logs:
                log_unread(reporter, summary)
            raise


def _find_nothing_due(
    warehouse: Warehouse,
    settings: Settings,
    billing_vars: BillingVars,
    summary: RunSummary,
    reporter: Reporter,
    current: Manifest,
) -> None:
    """Name what lies in the landing folder unread, and say again what the last settlement left out
    of the bill: otherwise an alert would end with the next run of the day."""
    summary.loaded = list_unread(
        warehouse,
        settings,
        billing_vars,
        summary.through,
        current.through + timedelta(days=1),
        current.loads_by_key,
        archived=settings.archived,
    )
    summary.outcome = "nothing_due"
    summary.message = f"everything through {current.through} is sealed already"
    with closing(Published(settings.published).require_current().open()) as release:
        summary.unbilled = unbilled_calls_of(release, current.run_id)
        summary.unbilled_to_date = unbilled_to_date(release)
    if reporter.json_logs:  # otherwise the end of the run names them
        log_unread(reporter, summary)
    record_end(warehouse, summary, reporter.seconds)


@contextmanager
def _scratch_copy(settings: Settings) -> Iterator[Settings]:
    """The settings of a dry run. It works on a copy of the warehouse, with linked Parquet files,
    which is removed afterwards."""
    original = Layout(settings.warehouse)
    copy = original.dry_run
    folder = copy.database.parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        if original.database.exists():
            shutil.copyfile(original.database, copy.database)
            # After a crash, committed changes can still be in the log beside the file.
            if original.log.exists():
                shutil.copyfile(original.log, copy.log)
            shutil.copytree(original.files, copy.files, copy_function=_link_parquet)
        yield settings.model_copy(update={"warehouse": copy.database})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _link_parquet(source: str, target: str) -> None:
    # Parquet files are never written again, so a link is safe. dbt writes its files again.
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
