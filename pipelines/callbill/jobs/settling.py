"""Settles what is due: load new files, build and check the figures, publish a release.

It owns the order of these steps. Each is a function of another module. `run` says whether anything
is due, and what a run leaves behind if it fails.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta

from callbill.base import rules
from callbill.base.catalogue import figure_seeds
from callbill.base.errors import ControlFailedError
from callbill.base.places import shown, shown_address
from callbill.base.progress import Reporter
from callbill.base.rules import DateRules, RuleRange, as_rule_ranges
from callbill.base.settings import (
    BillingVars,
    Settings,
    load_thresholds,
)
from callbill.base.stopping import defer_stop
from callbill.jobs.candidates import remove_outdated
from callbill.jobs.closing import RecordsDue, billed_later, records_due
from callbill.jobs.imports_ahead import import_ahead
from callbill.jobs.loading import load_landing
from callbill.jobs.sealing import (
    adopt,
    check_all_loaded,
    check_no_new_rejects,
    copy_release_history,
)
from callbill.jobs.status import status_of
from callbill.jobs.summary import (
    RunSummary,
    first_bills,
    record_end,
    trial_of,
)
from callbill.jobs.unbilled import (
    keep_unbilled_calls,
    left_by_claims,
    unbilled_calls_of,
    unbilled_to_date,
)
from callbill.jobs.unread import log_unread
from callbill.quality import (
    due_controls,
    keep_results,
    merge_results,
    run_controls,
    with_accounts,
)
from callbill.release.candidate import is_behind_as_expected, write_basis
from callbill.release.contents import changed_folders
from callbill.release.hashes import refresh_hashes
from callbill.release.release import Published
from callbill.release.writing import write_release
from callbill.tasks.build import build_models
from callbill.tasks.exchange import Exchange
from callbill.tasks.look import look_at
from callbill.tasks.workers import Workers
from callbill.warehouse.warehouse import Warehouse

# So many rejects a dry run names: what it loaded is gone with it.
_MOST_REJECTS = 20


def settle(
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
        log_unread(reporter, summary)
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
        previous = published.current()
        missing = changed_folders(previous) if previous is not None else []
        if previous is not None and missing:
            warning = (
                f"release {previous.run_id} does not have the files that it was written with "
                f"({', '.join(missing[:3])}{', ...' if missing[3:] else ''}): the new one shares "
                "none with it; restore that one from a backup if it is still needed"
            )
            summary.loaded.warnings.append(warning)
            if reporter.json_logs:  # otherwise the end of the run says it
                reporter.log("warning", message=warning)
        # The release contains its own run, as published.
        as_published = replace(summary, outcome="published")
        new = published.new_candidate if candidate else published.new
        summary.release = write_release(
            warehouse,
            new(summary.run_id),
            previous,
            billing_vars,
            figure_seeds(settings.catalogue),
            summary.through,
            settle_from,
            summary.data_docs,
            lambda: record_end(warehouse, as_published, reporter.seconds),
            settings.issuer,
            is_whole=not missing,
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
