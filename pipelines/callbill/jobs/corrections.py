"""Corrections by an operator: withdraw a file (`quarantine`), read its rejected lines again
(`retry`).

A correction takes the locks of a run and writes its own row in `ops.runs`. It never changes what is
sealed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from callbill.base import rules
from callbill.base.errors import UsageError
from callbill.base.settings import Settings, load_vars
from callbill.ingest.committing import LoadReport
from callbill.ingest.incoming import (
    Incoming,
    id_of_new_delivery,
    new_incoming,
    settlement_floor,
)
from callbill.ingest.landing import LandingFile, list_landing
from callbill.ingest.shape_files import declarations_of, load_shapes, shape_names
from callbill.ingest.withdrawals import insert_unloaded_file, withdraw, withdraw_retries
from callbill.jobs.loading import load_batches
from callbill.jobs.locks import run_lock
from callbill.jobs.sealing import adopted_warehouse, check_figures_unchanged
from callbill.jobs.summary import record_correction
from callbill.release.checkpoint import archived_file
from callbill.release.release import new_run_id
from callbill.release.store import published_by
from callbill.tasks.workers.in_process import InProcess
from callbill.warehouse.layout import Layout
from callbill.warehouse.loads import (
    EVENT_VERDICT_REASONS,
    HISTORY,
    SHA256_LENGTH,
    LineSelection,
    SourceLoad,
)
from callbill.warehouse.warehouse import Warehouse

_SHORTEST_ID = 8
_NO_SUCH_FILE = (
    "no file that was loaded is {}; give its path in the landing folder, or its SHA-256 or the "
    f"first {_SHORTEST_ID} or more digits of it"
)
_COLUMNS = (
    *("source_file_id", "feed", "path", "format", "arrived_on", "settlement_floor"),
    *("quarantine_reason", "records_accepted", "arrival"),
)


@dataclass(frozen=True)
class LoadedFile(SourceLoad):
    """A row of `ops.source_files`."""

    records_accepted: int = 0


@dataclass(frozen=True)
class Withdrawn:
    """The result of `quarantine`: a whole file, or only its lines that were read again, counts no
    longer. `records` is the number of records that counted before."""

    file: LoadedFile
    records: int
    whole: bool


@dataclass(frozen=True)
class Retried:
    """The result of `retry`: how many of the lines read again were accepted and rejected."""

    file: LoadedFile
    settlement_floor: date
    accepted: int
    rejected: int


def quarantine(settings: Settings, name: str, reason: str) -> Withdrawn:
    """Withdraw a file: its records count no longer.

    The warehouse keeps the file's row with the reason, so that the same content is not loaded
    again. A file that lies in the landing folder can be withdrawn before it is loaded. Of a file
    with sealed dates only the lines that were read again since are withdrawn. They become rejected
    lines again.

    `name` is the file's path, its SHA-256, or at least the first 8 digits of that. Raises
    UsageError if it names no file or several, if the file was withdrawn before, if all of it is
    sealed, or if `reason` is empty.
    """
    if not reason.strip():
        raise UsageError("--reason is empty: say why, it is kept for whoever asks later")
    with _warehouse(settings) as (warehouse, sealed, run_id):
        file = _find(warehouse, name) or _add_from_landing(
            warehouse, settings, name, sealed, run_id
        )
        if file is None:
            raise UsageError(_NO_SUCH_FILE.format(name))
        if file.quarantine_reason is not None:
            raise UsageError(f"{file.path} was withdrawn already: {file.quarantine_reason}")
        # No sealed figure depends on a bill of the vendor's.
        records = 0
        if sealed is None or file.settlement_floor > sealed or file.feed == "vendor_bills":
            is_open = True
        else:
            records = withdraw_retries(warehouse, file.feed, file.source_file_id, sealed)
            is_open = not records and _is_settled_later(warehouse, file, sealed)
        if is_open:
            withdraw(warehouse, file.feed, file.source_file_id, reason)
            record_correction(warehouse, run_id, "quarantined", f"{file.path}: {reason}")
            return Withdrawn(file, file.records_accepted, whole=True)
        if not records:
            raise UsageError(
                f"{file.path} counts from {file.settlement_floor} on, and all dates through "
                f"{sealed} are sealed: what is sealed never changes. Calls can still be voided by "
                "a record of their failure, contracts and events by later ones"
            )
        what = f"{file.path}, lines read again: {reason}"
        record_correction(warehouse, run_id, "quarantined", what)
        return Withdrawn(file, records, whole=False)


def retry(settings: Settings, name: str) -> Retried:
    """Read a file's rejected lines again, by the newest rules and with a new settlement floor.

    `name` is the file's path, its SHA-256, or at least the first 8 digits of that. Raises
    UsageError if it names no file or several, if the file was withdrawn, if its content is no
    longer in the landing folder, or if it has no line to read again.
    """
    billing_vars = load_vars(settings)
    with _warehouse(settings) as (warehouse, sealed, run_id):
        file = _find(warehouse, name)
        if file is None:
            raise UsageError(_NO_SUCH_FILE.format(name))
        if file.quarantine_reason is not None:
            raise UsageError(f"{file.path} was withdrawn: {file.quarantine_reason}")
        numbers = _rejected_lines(warehouse, file)
        landing_file = _find_in_landing(settings, file)
        # Before the first seal the lines of a file of history are history too.
        is_history = file.arrival == HISTORY and sealed is None
        floor = (
            file.settlement_floor
            if is_history
            else settlement_floor(file.arrived_on, _day_after(sealed))
        )
        report = LoadReport()
        lines = LineSelection(frozenset(numbers), only=True)
        incoming = Incoming(
            landing_file,
            file.source_file_id,
            floor,
            rules.READING_RULES,
            lines,
            arrival=HISTORY if is_history else None,
            declaration=declarations_of(load_shapes(settings.shapes)).get(landing_file.shape, ""),
        )
        load_batches(
            warehouse, settings, billing_vars, [(run_id, [incoming])], run_id, report, InProcess()
        )
        if report.skipped:
            raise UsageError(f"{file.path} {report.skipped[0].why}: try again")
        record_correction(
            warehouse,
            run_id,
            "retried",
            f"{file.path}: {report.accepted} of {len(numbers)} accepted",
        )
        return Retried(file, floor, report.accepted, report.rejected)


@contextmanager
def _warehouse(
    settings: Settings,
) -> Iterator[tuple[Warehouse, date | None, str]]:
    """The open warehouse under the locks of a run, the last sealed date, and a run id."""
    _check_there_is_one(settings.warehouse, Layout(settings.warehouse).replacing)
    with run_lock(settings):
        _check_there_is_one(settings.warehouse)
        current = published_by(settings).current_manifest()
        with adopted_warehouse(settings, current) as warehouse:
            check_figures_unchanged(warehouse, settings, current, load_vars(settings))
            yield warehouse, current.through if current else None, new_run_id(current)


def _check_there_is_one(*warehouses: Path) -> None:
    """Raises UsageError if none of these exists, of which the first is the warehouse's file."""
    if not any(path.exists() for path in warehouses):
        raise UsageError(
            f"there is no warehouse {warehouses[0]}; name it with --warehouse, or if nothing was "
            "run yet, take the file out of the landing folder"
        )


def _find(warehouse: Warehouse, name: str) -> LoadedFile | None:
    """The file of that path or id. Raises UsageError if there are several."""
    rows = warehouse.rows(
        f"""
        select {", ".join(_COLUMNS)}
        from (select * replace (delivery_id as source_file_id) from ops.source_files)
        where path = $name or (length($name) >= $shortest and starts_with(source_file_id, $name))
        order by path
        """,
        {"name": name, "shortest": _SHORTEST_ID},
    )
    if not rows:
        return None
    if len(rows) > 1:
        several = ", ".join(f"{row[2]} ({row[0][:12]}{row[0][SHA256_LENGTH:]})" for row in rows[:5])
        what = "id" if len({row[2] for row in rows}) == 1 else "path"
        raise UsageError(f"{name} is several files: {several}; give its {what}")
    return LoadedFile(**dict(zip(_COLUMNS, rows[0], strict=True)))


def _add_from_landing(
    warehouse: Warehouse,
    settings: Settings,
    name: str,
    sealed: date | None,
    run_id: str,
) -> LoadedFile | None:
    """The file of that path in the landing folder, after giving it a row in `ops.loaded_files`."""
    own_shapes = load_shapes(settings.shapes)
    names = shape_names(own_shapes)
    landing = list_landing(settings.landing, names, load_vars(settings).zone)
    for landing_file in landing.files:
        sha256 = landing_file.digest() if landing_file.name == name else None
        if sha256 is not None:
            source_file_id = id_of_new_delivery(warehouse, landing_file, sha256)
            if source_file_id is None:
                return _find(warehouse, sha256)  # it was loaded under another name
            incoming = new_incoming(
                landing_file, source_file_id, _day_after(sealed), declarations_of(own_shapes)
            )
            file = LoadedFile(
                source_file_id=source_file_id,
                feed=landing_file.feed,
                path=landing_file.name,
                format=landing_file.shape,
                arrived_on=landing_file.arrived_on,
                settlement_floor=incoming.settlement_floor,
                arrival=incoming.arrival,
            )
            insert_unloaded_file(warehouse, file, size=landing_file.size, run_id=run_id)
            return _find(warehouse, landing_file.name)
    return None


def _is_settled_later(warehouse: Warehouse, file: LoadedFile, sealed: date) -> bool:
    """Whether all records of a file settle after the last sealed date, though its floor does not.
    Today's log is like that: a run that seals today loads it, and its calls are settled tomorrow.
    """
    if file.feed != "call_logs":
        return False
    [[first]] = warehouse.rows(
        "select min(settled_on) from raw.call_logs where source_file_id = ?", [file.sha256]
    )
    return first is not None and first > sealed


def _day_after(sealed: date | None) -> date | None:
    return sealed + timedelta(days=1) if sealed else None


def _rejected_lines(warehouse: Warehouse, file: LoadedFile) -> list[int]:
    """The numbers of the lines to read again. Raises UsageError if there are none."""
    rows = warehouse.rows(
        """
        select line_number, list_contains(?, reason) from ops.rejected_records
        where feed = ? and source_file_id = ? and path = ? order by line_number
        """,
        [EVENT_VERDICT_REASONS, file.feed, file.sha256, file.path],
    )
    if not rows:
        raise UsageError(f"no line of {file.path} was rejected")
    numbers = [number for number, is_event_verdict in rows if not is_event_verdict]
    if not numbers:
        raise UsageError(
            f"the {len(rows)} rejected line(s) of {file.path} are right by themselves and were "
            "rejected beside other events, which every run judges anew: there is nothing to read "
            "again"
        )
    if None in numbers:
        raise UsageError(
            f"{file.path} was rejected whole: send it anew, with other bytes (compressed "
            "otherwise, for instance), for the same bytes are known"
        )
    return numbers


def _find_in_landing(settings: Settings, file: LoadedFile) -> LandingFile:
    """The file in the landing folder with this content, under the path, shape and arrival date that
    it was loaded with. Raises UsageError if there is none."""
    names = shape_names(load_shapes(settings.shapes))
    landing = list_landing(settings.landing, names, load_vars(settings).zone)
    same_path_first = sorted(landing.files, key=lambda candidate: candidate.name != file.path)
    for candidate in same_path_first:
        if candidate.feed == file.feed and candidate.digest() == file.sha256:
            return replace(candidate, name=file.path, shape=file.format, arrived_on=file.arrived_on)
    archived = archived_file(settings.published, file.sha256)
    where = f" It is archived in {archived.moved_to}" if archived and archived.moved_to else ""
    raise UsageError(
        f"{file.path} is no longer in the landing folder as it was loaded "
        f"(SHA-256 {file.sha256}): put it back.{where}".removesuffix(".")
    )
