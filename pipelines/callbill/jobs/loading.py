"""Loads the landing folder: list it, read new files, commit them, judge account events.

It owns the order of these steps, and what happens if a file changes while it is read. The steps
themselves are in `ingest` and `tasks`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import count

from callbill.base.errors import CallbillError
from callbill.base.places import is_in_store, shown
from callbill.base.settings import BillingVars, Settings
from callbill.ingest.announcements import keep_announcements
from callbill.ingest.committing import LoadReport, commit, commit_repetition
from callbill.ingest.event_verdicts import judge_account_events
from callbill.ingest.history import date_history, late_history
from callbill.ingest.incoming import (
    Incoming,
    batches,
    incoming_retries,
    lacking_retries,
    list_incoming,
    record_missing_files,
)
from callbill.ingest.landing import LandingFile, Skipped, Waiting, list_landing
from callbill.ingest.shape_files import declarations_of, is_shape_known, load_shapes, shape_names
from callbill.ingest.withdrawals import withdraw_as_released
from callbill.jobs.unread import check_is_landing
from callbill.release.checkpoint import ArchivedFile, newest_checkpoint
from callbill.tasks.connection import share_of_machine
from callbill.tasks.digest import digest_all
from callbill.tasks.exchange import Exchange
from callbill.tasks.ingest import ReadOutcome, ReadTask, as_item, outcome_of, read_files
from callbill.tasks.workers import Workers
from callbill.warehouse.loads import FileKey, SourceLoad
from callbill.warehouse.warehouse import Warehouse


def load_landing(
    warehouse: Warehouse,
    settings: Settings,
    billing_vars: BillingVars,
    run_id: str,
    through: date,
    first_open: date | None,
    released: Mapping[FileKey, SourceLoad],
    track_bytes: Callable[[int], Callable[[int], None]],
    workers: Workers,
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
    one, CallbillError as `load_batches` does.
    """
    landing = settings.landing
    checkpoint = newest_checkpoint(settings.published)
    away = checkpoint.archived_by_key if checkpoint else {}
    own_shapes = load_shapes(settings.shapes)
    # A file of the release is known, also if its shape is declared no longer.
    names = shape_names(own_shapes)
    known = names | {load.format for load in released.values()}
    listing = list_landing(landing, known, billing_vars.zone)
    found = list_incoming(
        warehouse,
        listing.files,
        through,
        first_open,
        released,
        partial(digest_all, workers),
        declarations_of(own_shapes),
        away.keys(),
    )
    if not archived:
        check_is_landing(landing, listing.skipped, found.missed)
    record_missing_files(warehouse, {file.name for file in listing.files}, through, away.keys())
    report = LoadReport(
        skipped=[*listing.skipped, *found.skipped], waiting=[*found.waiting, *listing.waiting]
    )
    if is_in_store(landing) and not (listing.files or listing.skipped or listing.waiting):
        # A store has no folders: one that is empty and a mistyped one look alike.
        report.warnings.append(f"nothing lies below {shown(landing)}")
    report.warnings += _archived_that_came_back(warehouse, listing.files, away)
    keep_announcements(warehouse, listing.announcements, through)
    incoming = []
    for file in found.incoming:
        before = released.get(file.key)
        if before and before.quarantine_reason is not None and not is_shape_known(before):
            continue  # it was withdrawn before it was read, and is again (withdraw_as_released)
        if before or file.file.feed != "call_logs" or file.file.shape in names:
            incoming.append(file)
        else:
            why = f"has no log shape named {file.file.shape!r}"
            report.skipped.append(Skipped(file.file.name, why))
    if only_released:
        incoming = [file for file in incoming if file.key in released]
    advance = track_bytes(sum(incoming_file.file.size for incoming_file in incoming))
    first_deliveries = [file for file in incoming if not file.is_later_delivery]
    # In order of arrival, because each may have the rows of the one before.
    later_deliveries = [file for file in incoming if file.is_later_delivery]
    later_deliveries.sort(key=lambda file: (file.file.arrived_on, file.file.name))
    task_names = (f"{run_id}-{number:05d}" for number in count())

    def load(some: Iterable[Sequence[Incoming]], advance: Callable[[int], None]) -> None:
        named = [(next(task_names), batch) for batch in some]
        load_batches(warehouse, settings, billing_vars, named, run_id, report, workers, advance)

    load(batches(first_deliveries, workers.count), advance)
    for file in later_deliveries:
        outcome = commit_repetition(warehouse, file, released.get(file.key), run_id)
        if outcome is None:
            load([[file]], advance)
        else:
            report.count_file(outcome)
            advance(file.file.size)
    load(([retry] for retry in incoming_retries(incoming, released)), lambda _bytes: None)
    again = lacking_retries(warehouse, listing.files, released)
    load(([retry] for retry in again), lambda _bytes: None)
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


def _archived_that_came_back(
    warehouse: Warehouse, files: Sequence[LandingFile], archived: Mapping[FileKey, ArchivedFile]
) -> list[str]:
    """Warnings if files that were moved to the archive are here again, or others of their names."""
    known_by_path = {
        file.path: file.source_file_id for file in archived.values() if file.moved_to is not None
    }
    if not known_by_path:
        return []
    contents: dict[str, str] = dict(
        warehouse.rows("select path, source_file_id from ops.landing_entries")
    )
    back: list[str] = []
    others: list[str] = []
    for file in files:
        sha256 = contents.get(file.name)
        if sha256 is None or file.name not in known_by_path:
            continue
        (back if known_by_path[file.name] == sha256 else others).append(file.name)
    warnings = []
    if back:
        warnings.append(
            f"{len(back)} archived file(s) are in the landing folder again, {back[0]} among them:"
            " they are known, and are not read again"
        )
    if others:
        warnings.append(
            f"{len(others)} file(s) have the name of an archived one and other bytes, {others[0]}"
            " among them: each is a file of its own"
        )
    return warnings


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


def load_batches(
    warehouse: Warehouse,
    settings: Settings,
    billing_vars: BillingVars,
    batches: Iterable[tuple[str, Sequence[Incoming]]],
    run_id: str,
    report: LoadReport,
    workers: Workers,
    advance: Callable[[int], None] = lambda _bytes: None,
) -> None:
    """Read batches of files, commit each, and add the results to `report`.

    If a file changes meanwhile, nothing of its batch is committed. The others are read again
    without it, and the next run loads the changed one. A batch comes with a name, the beginning of
    the names of all files written.

    Raises CallbillError if the machine cannot go on, or if a line was neither accepted nor
    rejected.
    """
    pending = [(name, list(batch)) for name, batch in batches]
    for attempt in count():
        tasks = [
            ReadTask(
                name=f"{name}-{attempt}",
                feed=batch[0].file.feed,
                shape=batch[0].file.shape,
                kind=batch[0].file.kind,
                billing_timezone=billing_vars.billing_timezone,
                reading_rules=batch[0].reading_rules,
                files=tuple(incoming.to_read for incoming in batch),
                folder=warehouse.layout.loading / f"{name}-{attempt}",
                scratch=warehouse.layout.scratch / f"{name}-{attempt}",
                buckets=warehouse.buckets,
                declaration=batch[0].declaration,
                check_content=not workers.is_this_process,
            )
            for name, batch in pending
        ]
        again: list[tuple[str, list[Incoming]]] = []
        outcomes = _outcomes(warehouse, tasks, settings, workers)
        for (name, batch), task, outcome in zip(pending, tasks, outcomes, strict=True):
            unchanged = [incoming for incoming in batch if incoming.file.is_unchanged()]
            if len(unchanged) == len(batch):
                if outcome is None:
                    names = ", ".join(incoming.file.name for incoming in batch)
                    raise CallbillError(
                        f"reading {names} gave no outcome although nothing has changed; this is a "
                        "fault of callbill, nothing of it was kept"
                    )
                if isinstance(outcome, CallbillError):
                    raise outcome
                if isinstance(outcome, FileNotFoundError):
                    raise CallbillError(
                        f"{outcome} where it was to be read, although it is here; this is no shared"
                        " folder, or a fault of callbill"
                    )
                commit(warehouse, batch, task.folder, outcome, run_id)
                report.count(batch, outcome)
                advance(sum(incoming.file.size for incoming in batch))
            elif unchanged:
                again.append((name, unchanged))
            shutil.rmtree(task.folder, ignore_errors=True)
            report.skipped += [
                Skipped(incoming.file.name, "changed while it was read")
                for incoming in batch
                if incoming not in unchanged
            ]
        if not again:
            break
        pending = again
    if not workers.is_this_process:
        shutil.rmtree(warehouse.layout.loading, ignore_errors=True)


def _outcomes(
    warehouse: Warehouse,
    tasks: Sequence[ReadTask],
    settings: Settings,
    workers: Workers,
) -> Iterator[ReadOutcome | FileNotFoundError | CallbillError]:
    """What each task read, or that a file was not there, or had another content for a worker."""
    if workers.is_this_process:
        for task in tasks:
            try:
                yield read_files(warehouse.con, task)
            except FileNotFoundError as error:
                yield error
        return
    exchange = Exchange(settings)
    layout = warehouse.layout
    items = [
        as_item(
            task,
            exchange,
            exchange.name_of(layout.raw("call_logs") if task.feed == "call_logs" else task.folder),
            share_of_machine(settings, workers),
        )
        for task in tasks
    ]
    for task, item, answer in zip(tasks, items, workers.run("ingest", items), strict=True):
        if "vanished" in answer:
            yield FileNotFoundError(answer["vanished"])
            continue
        if "other" in answer:
            yield CallbillError(answer["other"])
            continue
        handed = answer["handed"]
        exchange.take(
            handed,
            {name: task.folder / name.removeprefix(f"{item['keep_in']}/") for name in handed},
        )
        yield outcome_of(answer)
