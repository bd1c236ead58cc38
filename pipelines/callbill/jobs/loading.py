"""Loads the landing folder: list it, read new files, commit them, judge account events.

It owns the order of these steps, and what happens if a file changes while it is read. The steps
themselves are in `ingest` and `tasks`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import count
from pathlib import Path

from callbill.base.errors import CallbillError, UsageError
from callbill.base.settings import BillingVars
from callbill.ingest.announcements import keep_announcements
from callbill.ingest.committing import LoadReport, commit, commit_repetition
from callbill.ingest.event_verdicts import judge_account_events
from callbill.ingest.history import date_history, late_history
from callbill.ingest.incoming import (
    Incoming,
    batches,
    incoming_retries,
    list_incoming,
    missed_files,
    record_missing_files,
    waiting_files,
)
from callbill.ingest.landing import LandingFile, Skipped, Waiting, list_landing
from callbill.ingest.shapes import call_log_shapes
from callbill.ingest.withdrawals import withdraw_as_released
from callbill.tasks.ingest import ReadTask, read_files
from callbill.warehouse.loads import FileKey, SourceLoad
from callbill.warehouse.warehouse import Warehouse


def load_landing(
    warehouse: Warehouse,
    landing: Path,
    billing_vars: BillingVars,
    run_id: str,
    through: date,
    first_open: date | None,
    released: Mapping[FileKey, SourceLoad],
    track_bytes: Callable[[int], Callable[[int], None]],
    *,
    only_released: bool = False,
    archived: bool = False,
) -> LoadReport:
    """Load every file with new content that arrived by `through`, and return what was loaded.

    `first_open` is the first settlement date that is not sealed. `released` has the loads that the
    current release names. A file among them is loaded as it was then. With `only_released` no other
    file is loaded. `archived` says that earlier files were moved out of the landing folder on
    purpose. `track_bytes` is `Reporter.track_bytes`.

    Raises UsageError if the landing folder cannot be read or has no earlier file although there was
    one, CallbillError as `load_batch` does.
    """
    listing = list_landing(landing, frozenset(call_log_shapes()), billing_vars.zone)
    found = list_incoming(warehouse, listing.files, through, first_open, released)
    if not archived:
        _check_is_landing(landing, listing.skipped, found.missed)
    record_missing_files(warehouse, {file.name for file in listing.files}, through)
    report = LoadReport(
        skipped=[*listing.skipped, *found.skipped], waiting=[*found.waiting, *listing.waiting]
    )
    keep_announcements(warehouse, listing.announcements, through)
    incoming = found.incoming
    if only_released:
        incoming = [file for file in incoming if file.key in released]
    advance = track_bytes(sum(incoming_file.file.size for incoming_file in incoming))
    first_deliveries = [file for file in incoming if not file.is_later_delivery]
    # In order of arrival, because each may have the rows of the one before.
    later_deliveries = [file for file in incoming if file.is_later_delivery]
    later_deliveries.sort(key=lambda file: (file.file.arrived_on, file.file.name))
    names = (f"{run_id}-{number:05d}" for number in count())
    for batch in batches(first_deliveries):
        load_batch(warehouse, billing_vars, batch, run_id, next(names), report)
        advance(sum(incoming_file.file.size for incoming_file in batch))
    for file in later_deliveries:
        outcome = commit_repetition(warehouse, file, released.get(file.key), run_id)
        if outcome is None:
            load_batch(warehouse, billing_vars, [file], run_id, next(names), report)
        else:
            report.count_file(outcome)
        advance(file.file.size)
    for retry in incoming_retries(incoming, released):
        load_batch(warehouse, billing_vars, [retry], run_id, next(names), report)
    withdraw_as_released(warehouse, released.values(), run_id)
    warehouse.raw_records.create_views()
    if first_open is None and not only_released:
        date_history(warehouse)
        report.warnings += _history_left_out(listing.files, found.waiting, through)
    elif first_open is not None:
        report.warnings += late_history(warehouse, incoming, first_open)
    verdicts = judge_account_events(warehouse, run_id)
    report.accepted -= verdicts
    report.rejected += verdicts
    return report


def list_unread(
    warehouse: Warehouse,
    landing: Path,
    billing_vars: BillingVars,
    through: date,
    first_open: date | None,
    released: Mapping[FileKey, SourceLoad],
    *,
    archived: bool = False,
) -> LoadReport:
    """What a run leaves in the landing folder if it reads nothing, because nothing is due.

    Raises UsageError as `load_landing` does.
    """
    listing = list_landing(landing, frozenset(call_log_shapes()), billing_vars.zone)
    if not archived:
        _check_is_landing(landing, listing.skipped, missed_files(warehouse, listing.files))
    waiting = waiting_files(warehouse, listing.files, through, first_open, released)
    return LoadReport(skipped=listing.skipped, waiting=[*waiting, *listing.waiting])


def _check_is_landing(landing: Path, skipped: Sequence[Skipped], missed: Sequence[str]) -> None:
    """Raises UsageError if earlier files are missed, and not one of them is there unread."""
    if missed and not {one.name for one in skipped} & set(missed):
        raise UsageError(
            f"landing folder {landing} has none of the {len(missed)} file(s) that were loaded from "
            f"it before, such as {missed[0]}: name the right folder with --landing, or say "
            "--archived if they were moved away on purpose"
        )


def _history_left_out(
    files: Sequence[LandingFile], waiting: Sequence[Waiting], through: date
) -> list[str]:
    """A warning if files without a date wait, and so are left out of history."""
    names = {file.name for file in waiting}
    later = [file for file in files if file.name in names and not file.is_dated]
    if not later:
        return []
    return [
        f"{len(later)} file(s) without a date are left out of history, {later[0].name} among them:"
        f" modified after {through}. Run through {max(file.arrived_on for file in later)} or later,"
        " or set the date on which they were modified (touch -d)"
    ]


def load_batch(
    warehouse: Warehouse,
    billing_vars: BillingVars,
    batch: Sequence[Incoming],
    run_id: str,
    name: str,
    report: LoadReport,
) -> None:
    """Read a batch of files, commit it, and add the result to `report`.

    If a file changes meanwhile, nothing is committed. The others are read again without it, and the
    next run loads the changed one. `name` is the beginning of the names of all files written.

    Raises CallbillError if the machine cannot go on, or if a line was neither accepted nor
    rejected.
    """
    remaining = list(batch)
    attempt = 0
    while remaining:
        task = ReadTask(
            name=f"{name}-{attempt}",
            feed=remaining[0].file.feed,
            shape=remaining[0].file.shape,
            kind=remaining[0].file.kind,
            billing_timezone=billing_vars.billing_timezone,
            reading_rules=remaining[0].reading_rules,
            files=tuple(incoming.to_read for incoming in remaining),
            folder=warehouse.layout.loading,
            scratch=warehouse.layout.scratch,
        )
        try:
            outcome = None
            try:
                outcome = read_files(warehouse.con, task)
            except FileNotFoundError:
                if all(incoming.file.is_unchanged() for incoming in remaining):
                    raise
            unchanged = [incoming for incoming in remaining if incoming.file.is_unchanged()]
            if outcome is None and len(unchanged) == len(remaining):
                names = ", ".join(incoming.file.name for incoming in remaining)
                raise CallbillError(
                    f"reading {names} gave no outcome although nothing has changed; this is a "
                    "fault of callbill, nothing of it was kept"
                )
            if outcome is not None and len(unchanged) == len(remaining):
                commit(warehouse, remaining, outcome, run_id)
                report.count(remaining, outcome)
                return
        finally:
            # `commit` has moved committed files out of this folder.
            shutil.rmtree(task.folder, ignore_errors=True)
        for incoming in remaining:
            if incoming not in unchanged:
                report.skipped.append(Skipped(incoming.file.name, "changed while it was read"))
        remaining = unchanged
        attempt += 1
