"""Finds the new deliveries of the landing folder, and gives each its settlement floor.

A delivery is known by its feed and the SHA-256 of its bytes. In feeds in which the latest counts
(`Feed.latest_counts`) the same bytes under a later stated arrival date are a delivery of their own.
Each file is hashed once: `ops.landing_entries` keeps the hash until the directory entry changes.
This module also records which loaded files have changed or vanished since.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby

from callbill.base import rules
from callbill.base.errors import UsageError
from callbill.base.places import is_in_store
from callbill.ingest.feed import feeds
from callbill.ingest.landing import LandingFile, Skipped, Waiting
from callbill.ingest.read_task import FileToRead
from callbill.warehouse.loads import (
    HISTORY,
    SHA256_LENGTH,
    FileKey,
    LineSelection,
    SourceLoad,
    later_delivery,
)
from callbill.warehouse.warehouse import Warehouse

_MAX_BATCH_FILES = 500
_MAX_BATCH_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class Incoming:
    """A new delivery, or some lines of a file, and the settlement floor that it keeps for ever.

    `lines` and `rejected` are those of `FileToRead`. `arrival` is that of `SourceLoad`.
    """

    file: LandingFile
    source_file_id: str
    settlement_floor: date
    reading_rules: int
    lines: LineSelection | None = None
    rejected: LineSelection | None = None
    arrival: str | None = None
    # The text of the shape's file, if the shape is a place's own.
    declaration: str = ""

    @property
    def key(self) -> FileKey:
        return self.file.feed, self.source_file_id

    @property
    def is_retry(self) -> bool:
        """Whether this is a loaded file, of which some lines are read again."""
        return self.lines is not None and self.lines.only

    @property
    def is_later_delivery(self) -> bool:
        """Whether the same content was delivered before."""
        return len(self.source_file_id) > SHA256_LENGTH

    @property
    def has_record_floors(self) -> bool:
        """Whether each record settles on the day after its usage, whatever the arrival date is."""
        return self.arrival == HISTORY and self.file.feed == "call_logs"

    @property
    def to_read(self) -> FileToRead:
        return FileToRead(
            path=self.file.path,
            name=self.file.name,
            compression=self.file.compression,
            member=self.file.member,
            source_file_id=self.source_file_id,
            arrived_on=self.file.arrived_on,
            settlement_floor=None if self.has_record_floors else self.settlement_floor,
            lines=self.lines,
            rejected=self.rejected,
        )


@dataclass
class Found:
    """What lies in the landing folder: the files to load, to skip, and those that wait.

    `missed` are the paths of earlier files, if not one of them is there.
    """

    incoming: list[Incoming] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


class _Deliveries:
    """The deliveries that are known, by the content of their files."""

    def __init__(self, warehouse: Warehouse, released: Mapping[FileKey, SourceLoad]) -> None:
        self._arrivals: defaultdict[FileKey, set[date]] = defaultdict(set)
        for feed, source_file_id, arrived_on in warehouse.rows(
            "select feed, source_file_id, arrived_on from ops.loaded_files"
        ):
            self._arrivals[feed, source_file_id[:SHA256_LENGTH]].add(arrived_on)
        for load in released.values():
            self._arrivals[load.feed, load.sha256].add(load.arrived_on)
        # Before version 2 of the rules a file was known by its content alone. What it left out of a
        # sealed date stays out.
        self._known_by_content_through: date = warehouse.value(
            "select coalesce(max(settled_on), date '0001-01-01') from ops.sealed_settlements"
            " where billing_rules < 2"
        )

    def knows(self, file: LandingFile, sha256: str) -> bool:
        """Whether a file of this content was delivered."""
        return (file.feed, sha256) in self._arrivals

    def id_of_new(self, file: LandingFile, sha256: str) -> str | None:
        """The id of a file if it is a new delivery, None if it is a copy of a known one."""
        arrivals = self._arrivals.get((file.feed, sha256))
        if arrivals is None:
            return sha256
        known_through = max(*arrivals, self._known_by_content_through)
        is_later = file.is_dated and file.arrived_on > known_through
        latest_counts = rules.READING_RULES >= 2 and feeds()[file.feed].latest_counts
        if not latest_counts or not is_later:
            return None
        return later_delivery(sha256, file.arrived_on)

    def add(self, file: LandingFile, sha256: str) -> None:
        self._arrivals[file.feed, sha256].add(file.arrived_on)


def list_incoming(
    warehouse: Warehouse,
    files: Sequence[LandingFile],
    through: date,
    first_open: date | None,
    released: Mapping[FileKey, SourceLoad],
    digest_all: Callable[[Sequence[LandingFile]], Mapping[str, str | None]],
    declarations: Mapping[str, str],
    archived: Set[FileKey] = frozenset(),
) -> Found:
    """The files to load, and the files that are skipped or wait.

    Of copies of one delivery, the earliest arrival is loaded. `files` are in order of arrival.
    `first_open` is the first settlement date that is not sealed. `released` has the loads that the
    current release names: they keep their arrival date, settlement floor, shape and reading rules.
    `digest_all` gives the SHA-256 of files by name, None for one that cannot be read.
    `declarations` has the texts of a place's own shapes, by name. Files in `archived` may be away.
    """
    entries = _entries(warehouse)
    deliveries = _Deliveries(warehouse, released)
    loaded = set(warehouse.rows("select feed, source_file_id from ops.loaded_files"))
    lost: defaultdict[FileKey, list[SourceLoad]] = defaultdict(list)
    for load in released.values():
        if load.key not in loaded:
            lost[load.feed, load.sha256].append(load)
    found = Found(
        waiting=waiting_files(warehouse, files, through, first_open, released),
        missed=missed_files(warehouse, files, archived),
    )
    if lost:
        found.missed = found.missed or [load.path for load in released.values()]
    else:
        # Otherwise a file that seems to arrive later can be a released one that was put back.
        files = [file for file in files if file.arrived_on <= through]
    unknown = [file for file in files if file.entry not in entries]
    digests = digest_all(unknown)
    for file in files:
        sha256 = entries.get(file.entry) or digests[file.name]
        if sha256 is None and not (is_in_store(file.path) or os.access(file.path, os.R_OK)):
            found.skipped.append(Skipped(file.name, "may not be read by this user"))
            continue
        if sha256 is None or not file.is_unchanged():
            found.skipped.append(Skipped(file.name, "changed or vanished while it was read"))
            continue
        key = (file.feed, sha256)
        if key in loaded or key in released:
            found.missed = []
        if key in lost:
            found.incoming += _as_released(file, lost.pop(key))
        elif (source_file_id := deliveries.id_of_new(file, sha256)) is None:
            if file.size == 0 and not file.may_be_empty:
                # All empty files have the same content. The loaded one was plain text.
                found.skipped.append(Skipped(file.name, "is empty, which no such file is"))
        elif file.arrived_on <= through:
            deliveries.add(file, sha256)
            found.incoming.append(new_incoming(file, source_file_id, first_open, declarations))
    _record_entries(warehouse, unknown, digests, through)
    return found


def waiting_files(
    warehouse: Warehouse,
    files: Iterable[LandingFile],
    through: date,
    first_open: date | None,
    released: Mapping[FileKey, SourceLoad],
) -> list[Waiting]:
    """The new files that a run through `through` does not read, with the date they wait for: they
    arrive later, or all of those dates are sealed."""
    entries = _entries(warehouse)
    deliveries = _Deliveries(warehouse, released)
    is_sealed = first_open is not None and through < first_open
    waiting = []
    for file in files:
        if file.arrived_on > through or is_sealed:
            sha256 = entries.get(file.entry)
            if sha256 is None or deliveries.id_of_new(file, sha256) is not None:
                waiting.append(Waiting(file.name, settlement_floor(file.arrived_on, first_open)))
    return waiting


def _entries(warehouse: Warehouse) -> dict[tuple[str, int, int, int], str]:
    """The SHA-256 of the files that an earlier run has seen, by directory entry."""
    return {
        (path, size, mtime, inode): sha256
        for path, size, mtime, inode, sha256 in warehouse.rows(
            "select path, size_bytes, mtime_ns, inode, source_file_id from ops.landing_entries"
        )
    }


def known_files(warehouse: Warehouse) -> dict[str, tuple[int, int]]:
    """The size and modification time of the files that runs have read, by name. Closes the
    warehouse."""
    try:
        return {
            path: (size, mtime)
            for path, size, mtime in warehouse.rows(
                f"""
                select entries.path, entries.size_bytes, entries.mtime_ns
                from ops.landing_entries as entries
                semi join ops.loaded_files as files
                    on
                        split_part(entries.path, '/', 1) = files.feed
                        and entries.source_file_id = left(files.source_file_id, {SHA256_LENGTH})
                """
            )
        }
    finally:
        warehouse.con.close()


def missed_files(
    warehouse: Warehouse, files: Sequence[LandingFile], archived: Set[FileKey] = frozenset()
) -> list[str]:
    """The paths of the loaded files that were there last time, if not one of them is there now,
    under any name. Archived ones may be away."""
    counted = _counted_files(warehouse) - archived
    expected = {
        path
        for path, sha256 in warehouse.rows("select path, source_file_id from ops.landing_entries")
        if (path.split("/")[0], sha256) in counted
    }
    if any(file.name in expected for file in files):
        return []
    is_there = expected and any((file.feed, file.digest()) in counted for file in files)
    return [] if is_there else sorted(expected)


def id_of_new_delivery(warehouse: Warehouse, file: LandingFile, sha256: str) -> str | None:
    """The id of a file if it is a new delivery, None if it is a copy of a known one."""
    return _Deliveries(warehouse, {}).id_of_new(file, sha256)


def new_incoming(
    file: LandingFile, source_file_id: str, first_open: date | None, declarations: Mapping[str, str]
) -> Incoming:
    """A new delivery as it is loaded now. `first_open` is the first settlement date that is not
    sealed; None if none is sealed. `declarations` has the texts of a place's own shapes, by name.
    """
    is_history = (
        rules.READING_RULES >= 2
        and first_open is None
        and not file.is_dated
        and file.feed != "vendor_bills"
    )
    return Incoming(
        file,
        source_file_id,
        settlement_floor(file.arrived_on, first_open),
        rules.READING_RULES,
        arrival=HISTORY if is_history else None,
        declaration=declarations.get(file.shape, ""),
    )


def incoming_retries(
    incoming: Iterable[Incoming], released: Mapping[FileKey, SourceLoad]
) -> list[Incoming]:
    """The lines of released files that were read again, with the floor that they got then."""
    return [
        replace(
            file,
            settlement_floor=retry.settlement_floor,
            declaration=retry.declaration or file.declaration,
            lines=retry.lines,
            rejected=None,
            reading_rules=retry.reading_rules,
            # Lines that were read again before the first seal are as old as their file.
            arrival=file.arrival if retry.settlement_floor == file.settlement_floor else None,
        )
        for file in incoming
        if file.key in released
        for retry in released[file.key].retries
    ]


def lacking_retries(
    warehouse: Warehouse, files: Sequence[LandingFile], released: Mapping[FileKey, SourceLoad]
) -> list[Incoming]:
    """The lines that were read again, by the current release, of files that a warehouse older than
    the release has loaded.

    Raises UsageError if such a file is not in the landing folder.
    """
    loaded = set(warehouse.rows("select feed, source_file_id from ops.loaded_files"))
    done = {
        (feed, source_file_id, floor, tuple(sorted(lines)))
        for feed, source_file_id, floor, lines in warehouse.rows(
            "select feed, source_file_id, settlement_floor, line_numbers from ops.retries"
        )
    }
    lacking = []
    for load in released.values():
        retries = tuple(
            retry
            for retry in load.retries
            if (*load.key, retry.settlement_floor, tuple(sorted(retry.line_numbers))) not in done
        )
        if retries and load.key in loaded and load.quarantine_reason is None:
            lacking.append(replace(load, retries=retries))
    if not lacking:
        return []
    contents = {path: sha256 for (path, *_entry), sha256 in _entries(warehouse).items()}
    present = {(file.feed, contents.get(file.name)): file for file in files}
    again = []
    for load in lacking:
        file = present.get((load.feed, load.sha256))
        if file is None:
            raise UsageError(
                f"lines of {load.path} were read again since, and the file is not in the landing "
                f"folder (SHA-256 {load.sha256}): put it back"
            )
        again += incoming_retries(_as_released(file, [load]), {load.key: load})
    return again


def settlement_floor(arrived_on: date, first_open: date | None) -> date:
    """The first settlement date that a file can influence if it is loaded now.

    `first_open` is the first settlement date that is not sealed.
    """
    return max(arrived_on, first_open) if first_open else arrived_on


def batches(incoming: Sequence[Incoming], workers: int = 1) -> Iterator[list[Incoming]]:
    """The files in batches that one task can read: of one feed, shape, kind and version of the
    reading rules, in order of their floors. If several workers read, each gets several batches."""
    all_bytes = sum(file.file.size for file in incoming)
    most_bytes = (
        min(_MAX_BATCH_BYTES, all_bytes // (workers * 4)) if workers > 1 else _MAX_BATCH_BYTES
    )
    most_files = (
        min(_MAX_BATCH_FILES, len(incoming) // (workers * 2)) if workers > 1 else _MAX_BATCH_FILES
    )

    def task_key(file: Incoming) -> tuple[str, str, str, str, int, bool]:
        # Files that must be read line by line have batches of their own, not to slow down others.
        by_line = file.to_read.is_judged_by_line
        shape = file.file.shape, file.declaration
        return file.file.feed, *shape, file.file.kind, file.reading_rules, by_line

    in_order = sorted(
        incoming, key=lambda file: (*task_key(file), file.settlement_floor, file.file.name)
    )
    for _key, group in groupby(in_order, task_key):
        batch: list[Incoming] = []
        size = 0
        for file in group:
            if batch and (len(batch) >= most_files or size + file.file.size > most_bytes):
                yield batch
                batch, size = [], 0
            batch.append(file)
            size += file.file.size
        yield batch


def _as_released(file: LandingFile, loads: Sequence[SourceLoad]) -> list[Incoming]:
    """A file as the release names it, whatever its path and date are now. If content was delivered
    several times, one file is good for all, and each delivery keeps its path."""
    return [
        Incoming(
            replace(
                file,
                name=load.path if len(loads) > 1 else file.name,
                arrived_on=load.arrived_on,
                shape=load.format,
            ),
            load.source_file_id,
            load.settlement_floor,
            load.reading_rules,
            declaration=load.declaration,
            lines=load.lines_before_retries,
            rejected=load.rejected,
            arrival=load.arrival,
        )
        for load in loads
    ]


def _record_entries(
    warehouse: Warehouse,
    files: Iterable[LandingFile],
    digests: Mapping[str, str | None],
    through: date,
) -> None:
    """Record the hashes of directory entries, so that each file is hashed once, and the loaded
    files whose content has changed."""
    rows = [(*file.entry, digests[file.name]) for file in files if digests[file.name]]
    if not rows:
        return
    before = {
        path: (source_file_id, size)
        for path, source_file_id, size in warehouse.rows(
            "select path, source_file_id, size_bytes from ops.landing_entries"
            " where list_contains(?, path)",
            [[row[0] for row in rows]],
        )
    }
    counted = _counted_files(warehouse)
    for path, size, _mtime, _inode, source_file_id in rows:
        old_id, old_size = before.get(path, (source_file_id, size))
        if old_id != source_file_id and (path.split("/")[0], old_id) in counted:
            warehouse.execute(
                "insert into ops.landing_changes values (?, ?, ?, ?, ?, ?)",
                [path, old_id, old_size, source_file_id, size, through],
            )
    warehouse.execute(
        "insert or replace into ops.landing_entries select unnest($rows, max_depth := 2)",
        {"rows": [dict(zip(("p", "s", "m", "i", "f"), row, strict=True)) for row in rows]},
    )


def record_missing_files(
    warehouse: Warehouse,
    listed: Set[str],
    through: date,
    archived: Set[FileKey] = frozenset(),
) -> None:
    """Record the loaded files that have vanished since the last run. A file that has only another
    name now has not vanished, and an archived one may be away."""
    entries = warehouse.rows("select path, source_file_id, size_bytes from ops.landing_entries")
    gone = [entry for entry in entries if entry[0] not in listed]
    if not gone:
        return
    present = {source_file_id for path, source_file_id, _size in entries if path in listed}
    counted = _counted_files(warehouse) - archived
    for path, source_file_id, size in gone:
        if source_file_id not in present and (path.split("/")[0], source_file_id) in counted:
            warehouse.execute(
                "insert into ops.landing_changes values (?, ?, ?, null, null, ?)",
                [path, source_file_id, size, through],
            )
        warehouse.execute("delete from ops.landing_entries where path = ?", [path])


def _counted_files(warehouse: Warehouse) -> set[FileKey]:
    """The feed and SHA-256 of the loaded files that are not withdrawn."""
    return set(
        warehouse.rows(
            "select feed, source_file_id from ops.source_files where quarantine_reason is null"
        )
    )
