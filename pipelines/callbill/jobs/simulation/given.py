"""Loads the files that are given for a question, by the ordinary reading of their feed.

A file that states no `arrived_on=` counts from the first settlement on, as if its terms had been
known all along, and stands instead of what the books say of the same contract. One that states it
counts as it would have if it had landed on that day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from callbill.base import rules
from callbill.base.errors import UsageError
from callbill.base.settings import BillingVars, Settings
from callbill.ingest.committing import LoadReport
from callbill.ingest.feed import feeds
from callbill.ingest.incoming import Incoming
from callbill.ingest.landing import DEFAULT_SHAPE, LandingFile, Skipped, files_of
from callbill.jobs.loading import load_batches
from callbill.jobs.simulation.books import RUN_ID
from callbill.jobs.simulation.what_if import WhatIf
from callbill.storage.folder import StoredFile, UnusableFileError
from callbill.tasks.workers.in_process import InProcess
from callbill.warehouse.warehouse import Warehouse

_CONTRACTS = "contracts"
# By feed, the columns that versions of one thing have in common. Of other feeds two rows are two
# things, or the feed's own rules decide.
_KEYS = {
    _CONTRACTS: ("owner_uin", "component_code", "effective_from"),
    "packages": ("package_id", "owner_uin", "component_code"),
    "waivers": ("waiver_id", "owner_uin", "component_code", "usage_date"),
}


@dataclass(frozen=True)
class GivenFile:
    """A file as it was read, and the first settlement date that knows it."""

    feed: str
    name: str
    accepted: int
    rejected: int
    known_from: date


@dataclass(frozen=True)
class GivenReject:
    """A line that was rejected, and why."""

    name: str
    line: int | None
    reason: str
    detail: str


@dataclass(frozen=True)
class Given:
    files: list[GivenFile]
    rejects: list[GivenReject]


def load_given(
    warehouse: Warehouse,
    settings: Settings,
    billing_vars: BillingVars,
    what_if: WhatIf,
    first: date,
) -> Given:
    """Load the files of a question. `first` is the first settlement date.

    Raises UsageError if a file cannot be read, or has no line that is accepted.
    """
    if what_if.replace_contracts:
        _forget_contracts(warehouse)
    given: dict[str, GivenFile] = {}
    undated: dict[str, list[str]] = {}
    for feed, paths in what_if.files.items():
        for path in paths:
            for file in _files(path, feed, billing_vars.zone):
                incoming = _incoming(file, first)
                if incoming.source_file_id in given:
                    continue
                report = LoadReport()
                name = f"given-{len(given)}"
                load_batches(
                    warehouse, settings, billing_vars, [(name, [incoming])], RUN_ID, report,
                    InProcess(),
                )  # fmt: skip
                given[incoming.source_file_id] = _outcome(warehouse, incoming, path)
                if not file.is_dated:
                    undated.setdefault(feed, []).append(incoming.source_file_id)
    for feed, ids in undated.items():
        _stand_instead(warehouse, feed, ids, list(given))
    rejects = warehouse.rows(
        """
        select source_file_id, line_number, reason, coalesce(detail, fields, '')
        from ops.rejected_lines
        where list_contains(?, source_file_id)
        order by feed, path, line_number nulls first
        """,
        [list(given)],
    )
    return Given(
        list(given.values()),
        [GivenReject(given[id_].name, *row) for id_, *row in rejects],
    )


def _files(path: Path, feed: str, zone: ZoneInfo) -> Iterator[LandingFile]:
    """The file, or the members of an archive. Its folders may state an `arrived_on=`."""
    try:
        entry = path.stat()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if not path.is_file():
        raise UsageError(f"{path} is no file")
    stated = [part for part in path.absolute().parts[:-1] if part.startswith("arrived_on=")]
    stored = StoredFile(
        name="/".join([feed, *stated[-1:], path.name]),
        path=path.absolute(),
        size=entry.st_size,
        mtime_ns=entry.st_mtime_ns,
        inode=entry.st_ino,
    )
    try:
        for file in files_of(stored, frozenset({DEFAULT_SHAPE}), zone):
            if isinstance(file, Skipped):
                raise UsageError(f"{path}: {file.name} {file.why}")
            if isinstance(file, LandingFile):
                yield file
    except UnusableFileError as problem:
        raise UsageError(f"{path} {problem}") from problem


def _incoming(file: LandingFile, first: date) -> Incoming:
    known_from = file.arrived_on if file.is_dated else first
    # An id of its own: the books may know the same content.
    text = f"given {file.feed} {file.digest()} {known_from} {file.is_dated}"
    return Incoming(
        replace(file, arrived_on=known_from),
        sha256(text.encode()).hexdigest(),
        known_from,
        rules.READING_RULES,
    )


def _outcome(warehouse: Warehouse, incoming: Incoming, path: Path) -> GivenFile:
    rows = warehouse.rows(
        "select records_accepted, records_rejected from ops.loaded_files"
        " where feed = ? and source_file_id = ?",
        [incoming.file.feed, incoming.source_file_id],
    )
    if not rows:
        raise UsageError(f"{path} changed while it was read")
    [(accepted, rejected)] = rows
    if not accepted:
        why = warehouse.rows(
            "select line_number, reason, coalesce(detail, '') from ops.rejected_lines"
            " where source_file_id = ? order by line_number nulls first limit 1",
            [incoming.source_file_id],
        )
        first = [
            f"line {line} is rejected ({reason})" if line else f"{reason} {detail}".strip()
            for line, reason, detail in why
        ]
        raise UsageError(
            f"{path} has no line that can be read: {'; '.join(first) or 'it is empty'}"
        )
    return GivenFile(incoming.file.feed, str(path), accepted, rejected, incoming.settlement_floor)


def _forget_contracts(warehouse: Warehouse) -> None:
    with warehouse.transaction():
        warehouse.execute(f"delete from {feeds()[_CONTRACTS].table}")
        for table in ("ops.loaded_files", "ops.retries"):
            warehouse.execute(f"delete from {table} where feed = ?", [_CONTRACTS])


def _stand_instead(warehouse: Warehouse, feed: str, ids: list[str], given: list[str]) -> None:
    """Drop what the books say of the same things as these files."""
    if feed not in _KEYS:
        return
    table, columns = feeds()[feed].table, ", ".join(_KEYS[feed])
    warehouse.execute(
        f"""
        delete from {table}
        where not list_contains($given, source_file_id) and ({columns}) in (
            select ({columns}) from {table} where list_contains($ids, source_file_id)
        )
        """,
        {"given": given, "ids": ids},
    )
