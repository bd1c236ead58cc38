"""Finds the files of the landing folder with new content, and gives each its settlement floor.

A file is known by its feed and the SHA-256 of its bytes. Each file is hashed once:
`ops.landing_entries` keeps the hash until the directory entry changes. This module also records
which loaded files have changed or vanished since.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

from callbill.base import rules
from callbill.ingest.landing import LandingFile, Skipped
from callbill.ingest.read_task import FileToRead
from callbill.warehouse.loads import FileKey, LineSelection, SourceLoad
from callbill.warehouse.warehouse import Warehouse

_MAX_BATCH_FILES = 500
_MAX_BATCH_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class Incoming:
    """A file with new content, or some of its lines, and the settlement floor that it keeps for
    ever. `lines` and `rejected` are those of `FileToRead`."""

    file: LandingFile
    source_file_id: str
    settlement_floor: date
    reading_rules: int
    lines: LineSelection | None = None
    rejected: LineSelection | None = None

    @property
    def key(self) -> FileKey:
        return self.file.feed, self.source_file_id

    @property
    def is_retry(self) -> bool:
        """Whether this is a loaded file, of which some lines are read again."""
        return self.lines is not None and self.lines.only

    @property
    def to_read(self) -> FileToRead:
        return FileToRead(
            path=self.file.path,
            name=self.file.name,
            compression=self.file.compression,
            source_file_id=self.source_file_id,
            arrived_on=self.file.arrived_on,
            settlement_floor=self.settlement_floor,
            lines=self.lines,
            rejected=self.rejected,
        )


def list_incoming(
    warehouse: Warehouse,
    files: Sequence[LandingFile],
    through: date,
    first_open: date | None,
    released: Mapping[FileKey, SourceLoad],
    today: date,
) -> tuple[list[Incoming], list[Skipped]]:
    """The files to load, and the files that are skipped.

    Of files with the same content, the earliest arrival is loaded. `files` are in order of arrival.
    `first_open` is the first settlement date that is not sealed. `released` has the loads that the
    current release names: a file among them keeps its arrival date, settlement floor, shape and
    reading rules.
    """
    entries = {
        tuple(entry): source_file_id
        for *entry, source_file_id in warehouse.rows(
            "select path, size_bytes, mtime_ns, inode, source_file_id from ops.landing_entries"
        )
    }
    loaded = set(warehouse.rows("select feed, source_file_id from ops.source_files"))
    listed = {file.name for file in files}
    skipped = [
        Skipped(file.name, f"arrives on {file.arrived_on}, which is to come")
        for file in files
        if file.arrived_on > today
    ]
    if released.keys() <= loaded:
        # Otherwise a file that seems to arrive later can be a released one that was put back.
        files = [file for file in files if file.arrived_on <= through]
    unknown = [file for file in files if file.entry not in entries]
    with ThreadPoolExecutor(max_workers=2) as pool:
        digests = dict(
            zip((f.name for f in unknown), pool.map(LandingFile.digest, unknown), strict=True)
        )
    incoming: dict[FileKey, Incoming] = {}
    for file in files:
        source_file_id = entries.get(file.entry) or digests[file.name]
        if source_file_id is None and not os.access(file.path, os.R_OK):
            skipped.append(Skipped(file.name, "may not be read by this user"))
            continue
        if source_file_id is None or not file.is_unchanged():
            skipped.append(Skipped(file.name, "changed or vanished while it was read"))
            continue
        key = (file.feed, source_file_id)
        if key in loaded or key in incoming:
            if file.size == 0 and not file.may_be_empty:
                # All empty files have the same content. The loaded one was plain text.
                skipped.append(Skipped(file.name, "is empty, which no such file is"))
        elif key in released:
            incoming[key] = _as_released(file, released[key])
        elif file.arrived_on <= through:
            floor = settlement_floor(file.arrived_on, first_open)
            incoming[key] = Incoming(file, source_file_id, floor, rules.READING_RULES)
    _record_entries(warehouse, unknown, digests, through)
    _record_missing_files(warehouse, listed, through)
    return list(incoming.values()), skipped


def incoming_retries(
    incoming: Iterable[Incoming], released: Mapping[FileKey, SourceLoad]
) -> list[Incoming]:
    """The lines of released files that were read again, with the floor that they got then."""
    return [
        replace(
            file,
            settlement_floor=retry.settlement_floor,
            lines=retry.lines,
            rejected=None,
            reading_rules=retry.reading_rules,
        )
        for file in incoming
        if file.key in released
        for retry in released[file.key].retries
    ]


def settlement_floor(arrived_on: date, first_open: date | None) -> date:
    """The first settlement date that a file can influence if it is loaded now.

    `first_open` is the first settlement date that is not sealed.
    """
    return max(arrived_on, first_open) if first_open else arrived_on


def batches(incoming: Iterable[Incoming]) -> Iterator[list[Incoming]]:
    """The files in batches that one task can read: of one feed, shape, kind and version of the
    reading rules, in order of their floors."""

    def task_key(file: Incoming) -> tuple[str, str, str, int, bool]:
        # Files that must be read line by line have batches of their own, not to slow down others.
        by_line = file.to_read.is_judged_by_line
        return file.file.feed, file.file.shape, file.file.kind, file.reading_rules, by_line

    in_order = sorted(
        incoming, key=lambda file: (*task_key(file), file.settlement_floor, file.file.name)
    )
    for _key, group in groupby(in_order, task_key):
        batch: list[Incoming] = []
        size = 0
        for file in group:
            if batch and (
                len(batch) >= _MAX_BATCH_FILES or size + file.file.size > _MAX_BATCH_BYTES
            ):
                yield batch
                batch, size = [], 0
            batch.append(file)
            size += file.file.size
        yield batch


def _as_released(file: LandingFile, load: SourceLoad) -> Incoming:
    """A file as the release names it, whatever its path and date are now."""
    return Incoming(
        replace(file, arrived_on=load.arrived_on, shape=load.format),
        load.source_file_id,
        load.settlement_floor,
        load.reading_rules,
        lines=load.lines_before_retries,
        rejected=load.rejected,
    )


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


def _record_missing_files(warehouse: Warehouse, listed: Set[str], through: date) -> None:
    """Record the loaded files that have vanished since the last run. A file that has only another
    name now has not vanished."""
    entries = warehouse.rows("select path, source_file_id, size_bytes from ops.landing_entries")
    gone = [entry for entry in entries if entry[0] not in listed]
    if not gone:
        return
    present = {source_file_id for path, source_file_id, _size in entries if path in listed}
    counted = _counted_files(warehouse)
    for path, source_file_id, size in gone:
        if source_file_id not in present and (path.split("/")[0], source_file_id) in counted:
            warehouse.execute(
                "insert into ops.landing_changes values (?, ?, ?, null, null, ?)",
                [path, source_file_id, size, through],
            )
        warehouse.execute("delete from ops.landing_entries where path = ?", [path])


def _counted_files(warehouse: Warehouse) -> set[FileKey]:
    """The loaded files that are not withdrawn."""
    return set(
        warehouse.rows(
            "select feed, source_file_id from ops.source_files where quarantine_reason is null"
        )
    )
