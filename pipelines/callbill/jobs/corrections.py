"""What an operator does about a file that was loaded: withdraw it, or read its rejects again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta

from callbill.base import rules
from callbill.base.errors import UsageError
from callbill.base.settings import Settings, load_vars
from callbill.ingest.committing import LoadReport
from callbill.ingest.incoming import Incoming, settlement_floor
from callbill.ingest.landing import LandingFile, list_landing
from callbill.ingest.shapes import call_log_shapes
from callbill.ingest.withdrawals import know_file, withdraw, withdraw_retries
from callbill.jobs.loading import load_batch
from callbill.jobs.locks import run_lock
from callbill.jobs.sealing import adopted_warehouse, check_figures_unchanged
from callbill.jobs.summary import record_correction
from callbill.release.release import Published, new_run_id
from callbill.warehouse.loads import REASONS_BESIDE_OTHERS, LineSelection, SourceLoad
from callbill.warehouse.warehouse import Warehouse

_SHORTEST_ID = 8
_NO_SUCH_FILE = (
    "no file that was loaded is {}; give its path in the landing folder, or its SHA-256 or the "
    f"first {_SHORTEST_ID} or more digits of it"
)
_COLUMNS = (
    *("source_file_id", "feed", "path", "format", "arrived_on", "settlement_floor"),
    *("quarantine_reason", "records_accepted"),
)


@dataclass(frozen=True)
class LoadedFile(SourceLoad):
    """A file as the warehouse knows it."""

    records_accepted: int = 0


@dataclass(frozen=True)
class Withdrawn:
    """What counts no longer: a file, or of one that is partly sealed the lines read again."""

    file: LoadedFile
    records: int
    whole: bool


@dataclass(frozen=True)
class Retried:
    """What came of a file's rejected lines."""

    file: LoadedFile
    settlement_floor: date
    accepted: int
    rejected: int


def quarantine(settings: Settings, name: str, reason: str) -> Withdrawn:
    """Withdraw a file while none of its dates is sealed, also one that is not loaded yet: its
    records count no longer. It stays known, with the reason, so that the same content is not
    loaded again. Of a file that is sealed, lines that were read again since are withdrawn: they
    are rejected as before.

    `name` is its id, the beginning of that, or its path. Raises UsageError if it names no file or
    several, or if all of it is sealed.
    """
    if not reason.strip():
        raise UsageError("--reason is empty: say why, it is kept for whoever asks later")
    with _warehouse(settings) as (warehouse, sealed, run_id):
        file = _find(warehouse, name) or _find_landed(warehouse, settings, name, sealed, run_id)
        if file is None:
            raise UsageError(_NO_SUCH_FILE.format(name))
        if file.quarantine_reason is not None:
            raise UsageError(f"{file.path} was withdrawn already: {file.quarantine_reason}")
        # Nothing that is sealed depends on a bill of the vendor's.
        if sealed is None or file.settlement_floor > sealed or file.feed == "vendor_bills":
            withdraw(warehouse, file.feed, file.source_file_id, reason)
            record_correction(warehouse, run_id, "quarantined", f"{file.path}: {reason}")
            return Withdrawn(file, file.records_accepted, whole=True)
        records = withdraw_retries(warehouse, file.feed, file.source_file_id, sealed)
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
    """Read a file's rejected lines again, under today's rules and with a new settlement floor.

    `name` is its id, the beginning of that, or its path. Raises UsageError if it names no file or
    several, if the file is no longer in the landing folder as it was loaded, or if there is nothing
    to read again.
    """
    billing_vars = load_vars(settings)
    with _warehouse(settings) as (warehouse, sealed, run_id):
        file = _find(warehouse, name)
        if file is None:
            raise UsageError(_NO_SUCH_FILE.format(name))
        if file.quarantine_reason is not None:
            raise UsageError(f"{file.path} was withdrawn: {file.quarantine_reason}")
        numbers = _rejected_lines(warehouse, file)
        landed = _landed(settings, file)
        floor = settlement_floor(file.arrived_on, _day_after(sealed))
        report = LoadReport()
        lines = LineSelection(frozenset(numbers), only=True)
        again = Incoming(landed, file.source_file_id, floor, rules.READING_RULES, lines)
        load_batch(warehouse, billing_vars, [again], run_id, run_id, report)
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
    """The warehouse under the lock of a run, the last sealed date, and an id for what is done."""
    if not settings.warehouse.exists():
        raise UsageError(f"there is no warehouse {settings.warehouse}; name it with --warehouse")
    with run_lock(settings):
        current = Published(settings.published).current_manifest()
        with adopted_warehouse(settings, current) as warehouse:
            check_figures_unchanged(warehouse, current, load_vars(settings))
            yield warehouse, current.through if current else None, new_run_id(current)


def _find(warehouse: Warehouse, name: str) -> LoadedFile | None:
    rows = warehouse.rows(
        f"""
        select {", ".join(_COLUMNS)}
        from ops.source_files
        where path = $name or (length($name) >= $shortest and starts_with(source_file_id, $name))
        order by path
        """,
        {"name": name, "shortest": _SHORTEST_ID},
    )
    if not rows:
        return None
    if len(rows) > 1:
        several = ", ".join(f"{row[2]} ({row[0][:12]})" for row in rows[:5])
        what = "path" if len({row[0] for row in rows}) == 1 else "id"
        raise UsageError(f"{name} is several files: {several}; give its {what}")
    return LoadedFile(**dict(zip(_COLUMNS, rows[0], strict=True)))


def _find_landed(
    warehouse: Warehouse,
    settings: Settings,
    name: str,
    sealed: date | None,
    run_id: str,
) -> LoadedFile | None:
    """A file by its path in the landing folder, made known although it was never loaded."""
    landing = list_landing(settings.landing, frozenset(call_log_shapes()), load_vars(settings).zone)
    for one in landing.files:
        source_file_id = one.digest() if one.name == name else None
        if source_file_id is not None:
            file = LoadedFile(
                source_file_id=source_file_id,
                feed=one.feed,
                path=one.name,
                format=one.shape,
                arrived_on=one.arrived_on,
                settlement_floor=settlement_floor(one.arrived_on, _day_after(sealed)),
            )
            know_file(warehouse, file, size=one.size, run_id=run_id)
            # The same content may have been loaded under another name.
            return _find(warehouse, source_file_id)
    return None


def _day_after(sealed: date | None) -> date | None:
    return sealed + timedelta(days=1) if sealed else None


def _rejected_lines(warehouse: Warehouse, file: LoadedFile) -> list[int]:
    rows = warehouse.rows(
        """
        select line_number, list_contains(?, reason) from ops.rejected_records
        where feed = ? and source_file_id = ? order by line_number
        """,
        [REASONS_BESIDE_OTHERS, file.feed, file.source_file_id],
    )
    if not rows:
        raise UsageError(f"no line of {file.path} was rejected")
    numbers = [number for number, is_judged_anyway in rows if not is_judged_anyway]
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


def _landed(settings: Settings, file: LoadedFile) -> LandingFile:
    """The file where it lies, as what it was loaded as."""
    shapes = frozenset(call_log_shapes())
    landing = list_landing(settings.landing, shapes, load_vars(settings).zone)
    in_order = sorted(landing.files, key=lambda one: one.name != file.path)
    for one in in_order:
        if one.feed == file.feed and one.digest() == file.source_file_id:
            return replace(one, name=file.path, shape=file.format, arrived_on=file.arrived_on)
    raise UsageError(
        f"{file.path} is no longer in the landing folder as it was loaded "
        f"(SHA-256 {file.source_file_id}): put it back"
    )
