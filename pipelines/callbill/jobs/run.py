"""The job that a scheduler runs: load new files, build and check the figures, publish a release.

It owns the order of the steps and what a run leaves behind if it fails. Each step is a function of
another module. What is sealed, and how a run takes it over, is in `sealing`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb

from callbill.base import rules
from callbill.base.attributes import attribute_pairs
from callbill.base.catalogue import figure_seeds
from callbill.base.errors import CallbillError, ControlFailedError, UsageError
from callbill.base.places import shown, shown_address
from callbill.base.progress import Reporter
from callbill.base.rules import DateRules, RuleRange, as_rule_ranges
from callbill.base.settings import (
    BillingVars,
    Settings,
    load_thresholds,
    load_vars,
    today_or_utc,
)
from callbill.base.stopping import defer_stop, on_abrupt_end
from callbill.jobs.candidates import check_candidates, remove_outdated
from callbill.jobs.closing import RecordsDue, billed_later, records_due
from callbill.jobs.imports_ahead import import_ahead
from callbill.jobs.loading import list_unread, load_landing
from callbill.jobs.locks import run_lock
from callbill.jobs.notices import notify
from callbill.jobs.restoring import restore_where_needed
from callbill.jobs.sealing import (
    adopt,
    adopted_warehouse,
    check_all_loaded,
    check_figures_unchanged,
    check_no_new_rejects,
    copy_release_history,
    record_catalogue,
)
from callbill.jobs.status import read_status, status_of, write_status
from callbill.jobs.summary import (
    STOPPED,
    RunSummary,
    first_bills,
    record_end,
    record_start,
    trial_of,
)
from callbill.jobs.unbilled import (
    keep_unbilled_calls,
    left_by_claims,
    unbilled_calls_of,
    unbilled_to_date,
)
from callbill.quality import (
    due_controls,
    keep_results,
    merge_results,
    run_controls,
    with_accounts,
)
from callbill.release.candidate import is_behind_as_expected, write_basis
from callbill.release.hashes import refresh_hashes
from callbill.release.manifest import Manifest
from callbill.release.release import Published, new_run_id
from callbill.release.store import published_by, put_status
from callbill.release.writing import write_release
from callbill.storage.folder import is_folder
from callbill.tasks.build import build_models
from callbill.tasks.exchange import Exchange
from callbill.tasks.look import look_at
from callbill.tasks.workers import Workers, workers_for
from callbill.warehouse.layout import Layout
from callbill.warehouse.warehouse import Warehouse

# So many rejects a dry run names: what it loaded is gone with it.
_MOST_REJECTS = 20


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
            _settle(
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
                _log_unread(reporter, summary)
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
        _log_unread(reporter, summary)
    record_end(warehouse, summary, reporter.seconds)


def _settle(
    warehouse: Warehouse,
    settings: Settings,
    published: Published,
    billing_vars: BillingVars,
    summary: RunSummary,
    reporter: Reporter,
    workers: Workers,
    *,
    dry_run: bool,
    candidate: bool,
) -> None:
    imports = import_ahead()
    current = published.current_manifest()
    if not dry_run:
        published.check()
    if not workers.is_this_process:
        Exchange(settings).clear()
        seen = look_at(workers, settings, summary.run_id)
        reporter.log("workers", where=shown_address(settings.workers), seen=", ".join(seen))
    with reporter.step("ingest", landing=shown(settings.landing)):
        summary.loaded = load_landing(
            warehouse,
            settings,
            billing_vars,
            summary.run_id,
            summary.through,
            current.through + timedelta(days=1) if current else None,
            current.loads_by_key if current else {},
            reporter.track_bytes,
            workers,
            archived=settings.archived,
        )
    if reporter.json_logs:
        _log_unread(reporter, summary)
    check_all_loaded(warehouse, current)
    check_no_new_rejects(warehouse, current, summary.run_id)
    release = published.current()
    if release is not None:
        copy_release_history(warehouse, release)
    warehouse.raw_records.drop_unknown_files()
    settle_from = warehouse.first_due(summary.through)
    if settle_from is None:
        summary.outcome, summary.message = "nothing_due", _nothing_loaded(summary)
        record_end(warehouse, summary, reporter.seconds)
        return
    if current is not None and settle_from <= current.through:
        summary.is_remade, summary.sealed_before = True, current.through
        summary.is_after_seal = release is not None and is_behind_as_expected(
            release, warehouse.built_through
        )
        reporter.log(
            "settled again, as expected after a seal"
            if summary.is_after_seal
            else "warehouse made anew",
            settle_from=settle_from,
            sealed_through=current.through,
        )
    with reporter.step("import"):
        imports.join()
    settle_dates(warehouse, settings, billing_vars, summary, reporter, settle_from, workers)
    if current is None and settle_from < summary.through:
        summary.first_bills = first_bills(warehouse)
        reporter.log(
            "first settlement",
            settle_from=settle_from,
            settle_through=summary.through,
            days=(summary.through - settle_from).days + 1,
            bills=[asdict(bill) for bill in summary.first_bills],
        )
    if dry_run:
        summary.trial = trial_of(warehouse, summary, _MOST_REJECTS)
    if summary.errors:
        names = ", ".join(f"{r.control_id} ({r.unexpected_rows} rows)" for r in summary.errors)
        raise ControlFailedError(
            f"nothing was published, these controls failed: {names}", results=summary.errors
        )
    if dry_run:
        summary.outcome = "dry_run"
        return
    with reporter.step("publish"):
        published.remove_unfinished()
        remove_outdated(published, current)
        # The release contains its own run, as published.
        as_published = replace(summary, outcome="published")
        new = published.new_candidate if candidate else published.new
        summary.release = write_release(
            warehouse,
            new(summary.run_id),
            published.current(),
            billing_vars,
            figure_seeds(settings.catalogue),
            summary.through,
            settle_from,
            summary.data_docs,
            lambda: record_end(warehouse, as_published, reporter.seconds),
            settings.issuer,
        )
        if candidate:
            summary.outcome = "candidate"
            summary.message = f"`callbill seal {summary.run_id}` seals it"
            status = status_of(published.status, summary, reporter.seconds)
            write_basis(summary.release, current, status)
            return
        defer_stop()  # a run that switched `current` also reports that it published
        published.switch_to(summary.release)
        summary.outcome = "published"
        summary.sealed_through = summary.through
        seal(warehouse, summary.through)
        adopt(warehouse, published.current_manifest())
        published.remove_old(settings.keep_releases)


def _log_unread(reporter: Reporter, summary: RunSummary) -> None:
    """Name the files that the run does not read, and why."""
    for skipped in summary.loaded.skipped:
        reporter.log("not read", file=skipped.name, why=skipped.why)
    for waiting in summary.loaded.waiting:
        reporter.log("waits", file=waiting.name, until=waiting.until or "its final name")
    for warning in summary.loaded.warnings:
        reporter.log("warning", message=warning)


def _nothing_loaded(summary: RunSummary) -> str:
    dates = [waiting.until for waiting in summary.loaded.waiting if waiting.until is not None]
    if not dates:
        return "nothing was ever loaded"
    return f"nothing was loaded yet, and {len(dates)} file(s) wait until {min(dates)} or later"


def seal(warehouse: Warehouse, through: date) -> None:
    """Record that the warehouse's rows are final through a date, which is published."""
    warehouse.built_through = through


def settle_dates(
    warehouse: Warehouse,
    settings: Settings,
    billing_vars: BillingVars,
    summary: RunSummary,
    reporter: Reporter,
    settle_from: date,
    workers: Workers,
) -> None:
    """Build, hash and check the settlement dates from `settle_from` through the run's last date.

    A rebuild settles sealed dates too, by the rules that they were sealed with. So the dates are
    settled in stretches that have the same rules. The controls' results are kept in the summary and
    in `ops.control_results`, and so are the successful calls that are not in the bill
    (`ops.unbilled_calls`). A failed control does not raise here.

    Raises CallbillError if a model was not built or a control could not be evaluated.
    """
    through = summary.through
    summary.settle_from = settle_from
    for stretch in _stretches(warehouse, settle_from, through):
        with reporter.step("build", settle_from=stretch.first, settle_through=stretch.last):
            built = build_models(warehouse, settings, billing_vars, stretch, workers)
            keep_unbilled_calls(warehouse, summary.run_id)
            summary.records_due = (summary.records_due or RecordsDue()) + records_due(warehouse)
        with reporter.step("hash"):
            refresh_hashes(warehouse, built.call_groups)
        with reporter.step("check"):
            _check(warehouse, settings, billing_vars, summary, stretch, built.findings)
        shutil.rmtree(warehouse.layout.building, ignore_errors=True)
    summary.unbilled = unbilled_calls_of(warehouse.con, summary.run_id)
    summary.unbilled_to_date = unbilled_to_date(warehouse.con)
    if summary.records_due is not None:
        reporter.log("records due", **asdict(summary.records_due))
    for warning in [
        *left_by_claims(warehouse, summary.new_claims, through),
        *billed_later(warehouse, _first_news(settle_from, summary.sealed_through), through),
    ]:
        summary.loaded.warnings.append(warning)
        if reporter.json_logs:  # otherwise the end of the run says it
            reporter.log("warning", message=warning)
    keep_results(warehouse, summary.run_id, summary.results)
    for result in summary.results:
        if not result.passed:
            reporter.log(result.severity, control=result.control_id, rows=result.unexpected_rows)


def _first_news(settle_from: date, sealed_through: date | None) -> date:
    """The first date that no release has settled yet: what is settled again is no news."""
    if sealed_through is None:
        return settle_from
    return max(settle_from, sealed_through + timedelta(days=1))


def _stretches(warehouse: Warehouse, settle_from: date, through: date) -> list[RuleRange]:
    """The settlement dates, in stretches that have one version of the billing rules."""
    sealed: dict[date, int] = dict(
        warehouse.rows("select settled_on, billing_rules from ops.sealed_settlements")
    )
    days = [settle_from + timedelta(days=n) for n in range((through - settle_from).days + 1)]
    return as_rule_ranges({day: DateRules(sealed.get(day, rules.BILLING_RULES)) for day in days})


def _check(
    warehouse: Warehouse,
    settings: Settings,
    billing_vars: BillingVars,
    summary: RunSummary,
    stretch: RuleRange,
    findings: Mapping[str, Sequence[str]],
) -> None:
    """Run the controls over a stretch of dates, and add their results to the summary. `findings`
    are those of tasks (`due_controls`)."""
    with due_controls(
        warehouse.con, stretch, billing_vars, load_thresholds(settings), findings
    ) as controls:
        report = run_controls(
            warehouse.layout.database,
            controls,
            timezone=billing_vars.billing_timezone,
            heading=f"run {summary.run_id}, through {stretch.last}",
        )
        results = with_accounts(warehouse.con, controls, report.results)
    summary.results = merge_results(summary.results, results)
    summary.data_docs = report.data_docs


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
