"""The end of a run and of a rebuild."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from rich.console import Console

from callbill.base.findings import UnbilledCalls
from callbill.base.settings import Settings
from callbill.base.text import printable
from callbill.cli.show.arrears import arrears_table
from callbill.cli.show.console import open_console, table_of
from callbill.cli.show.controls import show_unpassed, show_what_to_do
from callbill.jobs.closing import RecordsDue
from callbill.jobs.summary import RunSummary, Trial
from callbill.queries.arrears import arrears_of
from callbill.queries.latest import latest_months
from callbill.release.release import Published, Release

if TYPE_CHECKING:  # it imports what only a settlement needs
    from callbill.jobs.candidates import Sealed

_MOST_ACCOUNTS = 20
# Of files that wait or were not read. Many of them would bury warnings.
_MOST_FILES = 5
_BILLS = (
    *("account", "product", "#calls", "#原价 list cost", "#优惠 discount", "#rated"),
    *("#精度差异 adjustment", "#扣费 deducted"),
)
_UNBILLED = ("reason", "action", "#calls", "#accounts", "#would have cost", "because")
_BECAUSE = {
    "conflict": "its records disagree on account or component",
    "too_old": "it came too long after its usage",
    "waiting": "it is settled after this run's last date",
}
_REJECTS = ("file", "#line", "reason", "detail")
_TRIAL_LINES = ("month", "line type", "#accounts", "#calls", "#rated")
_FIRST_BILLS = ("month", "#accounts", "#calls", "#rated", "#扣费 deducted")


def show_run(settings: Settings, summary: RunSummary) -> None:
    """What was read and checked, the bills, and where they were published."""
    console = open_console()
    if summary.outcome == "nothing_due":
        console.print(f"Nothing due: {summary.message}.")
        _show_unread(console, summary)
        _show_unbilled(console, summary, "the last settlement")
    else:
        _show_work(console, summary)
    if summary.first_bills:
        _show_first_bills(console, summary)
    if summary.trial is not None:
        _show_trial(console, summary.trial)
    if summary.outcome == "dry_run":
        console.print(
            f"Dry run: would settle {summary.first_settled} to {summary.through}; nothing was kept."
        )
        return
    published = Published(settings.published)
    if summary.outcome == "candidate" and summary.release is not None:
        _show_candidate(console, summary, summary.release)
        return
    release = published.current()
    if release is None:
        return
    with closing(release.open()) as con:
        _show_latest_bills(console, con)
        arrears = arrears_of(release, con)
    if arrears.notices:
        console.print(arrears_table(arrears))
    if summary.outcome == "published":
        console.print(f"Settled {summary.first_settled} to {summary.through}.")
    _show_where(console, published, release)


def show_rebuild(summary: RunSummary, replaced: Sequence[Path]) -> None:
    """What was made anew, and where what it replaced is."""
    console = open_console()
    _show_work(console, summary)
    if summary.settle_from is not None:
        console.print(
            f"Rebuilt {summary.settle_from} to {summary.through}:"
            " every settlement date says what it was sealed with."
        )
    for path in replaced:
        console.print(f"What was replaced lies in {path}", soft_wrap=True)


def show_sealed(sealed: Sealed) -> None:
    """What a seal made of a candidate, and what the candidate's run left out and warned of."""
    console = open_console()
    summary, loaded = sealed.summary, sealed.summary.loaded
    console.print(f"Sealed through {summary.through}: {sealed.release.folder}", soft_wrap=True)
    for void in sealed.void:
        console.print(f"Removed candidate {void}, which was made on the release before.")
    if sealed.moved_to:
        console.print(
            "The warehouse had loaded later files. The next run makes it anew; the old one lies in"
            f" {sealed.moved_to}",
            soft_wrap=True,
        )
    if loaded.unreadable_files:
        console.print(f"{loaded.unreadable_files} file(s) could not be read: callbill rejects")
    if loaded.rejected:
        console.print(f"{loaded.rejected} line(s) were rejected: callbill rejects")
    _show_unread(console, summary)
    for result in summary.results:
        if not result.passed:
            console.print(
                f"{result.severity}: {result.control_id}: {result.sentence}"
                f" {result.unexpected_rows} row(s) otherwise.",
                soft_wrap=True,
            )
    show_what_to_do(console, summary.results)
    _show_unbilled(console, summary, "this candidate")


def _show_work(console: Console, summary: RunSummary) -> None:
    loaded = summary.loaded
    if summary.checkpoint is not None:
        console.print(
            f"{len(summary.checkpoint.archived)} files are archived, and not all are in the landing"
            f" folder: the warehouse was made from the checkpoint. Dates through"
            f" {summary.checkpoint.through} say what they were sealed with; they were not computed"
            " again.",
            soft_wrap=True,
        )
    elif summary.is_after_seal and summary.settled_again is not None:
        first, last = summary.settled_again
        console.print(
            f"As expected after `callbill seal`, the dates from {first} to {last} were settled"
            " again: they say what they were sealed with.",
            soft_wrap=True,
        )
    elif summary.is_remade:
        console.print(
            "The warehouse did not have what is sealed, and was made anew from the landing folder"
            " and the current release.",
            soft_wrap=True,
        )
    console.print(
        f"Read {loaded.files} new files: {loaded.lines_read} lines,"
        f" {loaded.accepted} records accepted, {loaded.rejected} rejected"
        + (
            f" ({loaded.never_reached} of them attempts that reached no server)"
            if loaded.never_reached
            else ""
        )
        + (f"; unreadable files: {loaded.unreadable_files}" if loaded.unreadable_files else "")
        + "."
    )
    if loaded.rejected or loaded.unreadable_files:
        if summary.trial is None:
            of_candidate = f" --candidate {summary.run_id}" * (summary.outcome == "candidate")
            console.print(f"What was rejected and why: callbill rejects{of_candidate}")
        else:
            _show_trial_rejects(console, summary.trial, loaded.rejected + loaded.unreadable_files)
    if loaded.cleaned:
        console.print(
            f"{sum(loaded.cleaned.values())} values were cleaned"
            f" ({', '.join(sorted(loaded.cleaned))}): ops.cleaned_values",
            soft_wrap=True,
        )
    _show_unread(console, summary)
    passed = sum(result.passed for result in summary.results)
    if summary.results:
        console.print(f"Controls: {passed} of {len(summary.results)} passed.")
    show_unpassed(console, summary.results)
    if summary.records_due is not None:
        console.print(_records_due(summary.records_due), soft_wrap=True)
    _show_unbilled(console, summary, "this run")


def _show_unbilled(console: Console, summary: RunSummary, run: str) -> None:
    if summary.unbilled:
        rows = [
            (
                calls.reason,
                calls.action or "other actions",
                calls.calls,
                calls.accounts,
                "not known" if calls.cost is None else calls.cost,
                _because(calls),
            )
            for calls in summary.unbilled
        ]
        title = f"Successful calls that {run} left out of the bill (CNY)"
        console.print(table_of(title, _UNBILLED, rows))
    if summary.unbilled_to_date:
        console.print(
            f"Of all dates, {summary.unbilled_to_date} successful calls are not in the bill."
        )


def _because(calls: UnbilledCalls) -> str:
    if calls.reason != "unrated":
        return _BECAUSE[calls.reason]
    if not calls.unclaimed:
        return "the component has no list price on that day"
    if calls.unclaimed == calls.calls:
        return "no component claims the action"
    return f"{calls.unclaimed}: no component claims the action; the others: no list price then"


def _records_due(due: RecordsDue) -> str:
    """What became of each record, in a sum."""
    parts = [
        f"{count} {what}"
        for count, what in (
            (due.billed, "billed"),
            (due.duplicate, "delivered again"),
            (due.failed, "failed"),
            (due.void, "successful but void because another record of the call failed"),
            (due.disagreeing, "successful but void because records of the call disagree"),
            (due.unrated, "unrated"),
            (due.too_old, "too old"),
        )
        if count
    ]
    sentence = f"{due.records} records due: {', '.join(parts)}." if parts else "No record was due."
    if due.charged_late:
        sentence += f" {due.charged_late} call(s) that waited are billed now."
    if due.taken_back:
        sentence += f" {due.taken_back} call(s) that were billed are taken back."
    return sentence


def _show_unread(console: Console, summary: RunSummary) -> None:
    """The files that were not read, and why. With JSON logs the log names them instead."""
    loaded = summary.loaded
    for skipped in loaded.skipped:
        console.print(f"Not read: {printable(skipped.name)}: {skipped.why}")
    for waiting in loaded.waiting[:_MOST_FILES]:
        console.print(f"Waits: {printable(waiting.name)}: {waiting.why}")
    if len(loaded.waiting) > _MOST_FILES:
        console.print(f"  and {len(loaded.waiting) - _MOST_FILES} more that wait")
    for warning in loaded.warnings:
        console.print(f"Warning: {printable(warning)}")


def _show_first_bills(console: Console, summary: RunSummary) -> None:
    verb = "would settle" if summary.outcome == "dry_run" else "settled"
    assert summary.settle_from is not None  # noqa: S101  always so if there are bills
    days = (summary.through - summary.settle_from).days + 1
    console.print(
        f"Nothing was sealed before: this run {verb} {days} days at once, and bills"
        " the following months."
    )
    rows = [
        (f"{b.bill_month:%Y-%m}", b.accounts, b.calls, b.rated_amount, b.deducted_amount)
        for b in summary.first_bills
    ]
    console.print(table_of("First bills (CNY)", _FIRST_BILLS, rows))


def _show_trial_rejects(console: Console, trial: Trial, total: int) -> None:
    rows = [(printable(path), line, *rest) for path, line, *rest in trial.rejects]
    console.print(table_of("Would be rejected", _REJECTS, rows))
    if total > len(rows):
        console.print(f"  and {total - len(rows)} more")


def _show_trial(console: Console, trial: Trial) -> None:
    rows = [(f"{month:%Y-%m}", *rest) for month, *rest in trial.lines]
    if rows:
        console.print(table_of("What would be billed (CNY)", _TRIAL_LINES, rows))
    else:
        console.print("No bill line would be added.")


def _show_latest_bills(console: Console, con: duckdb.DuckDBPyConnection) -> None:
    for month in latest_months(con):
        shown = month.bills[:_MOST_ACCOUNTS]
        console.print(table_of(f"Bills of {month.month:%Y-%m} (CNY)", _BILLS, shown))
        if len(month.bills) > len(shown):
            console.print(f"  and {len(month.bills) - len(shown)} more accounts")


def _show_candidate(console: Console, summary: RunSummary, release: Release) -> None:
    with closing(release.open()) as con:
        _show_latest_bills(console, con)
    console.print(f"A candidate for {summary.first_settled} to {summary.through} lies in")
    console.print(f"  {release.folder}", soft_wrap=True)
    console.print("To look at it, open")
    console.print(f"  {(release.site / 'index.html').absolute().as_uri()}", soft_wrap=True)
    console.print(f"Nothing is sealed yet: callbill seal {release.run_id}")


def _show_where(console: Console, published: Published, release: Release) -> None:
    console.print("The bills are published in", soft_wrap=True)
    console.print(f"  {published.link}", soft_wrap=True)
    console.print(f"  (release {release.run_id})", soft_wrap=True)
    index = (published.link / "site" / "index.html").absolute()
    if index.exists():  # releases before 0.5 have none
        console.print("To look at them, open")
        console.print(f"  {index.as_uri()}", soft_wrap=True)
