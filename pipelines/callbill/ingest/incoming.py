"""Which contents of the landing folder are new, and the settlement floors they get."""

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
    """A file whose content is new, with the settlement floor it keeps for ever; or some of its
    lines (`FileToRead`)."""

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
        """Whether lines are read again of a file that is loaded."""
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
    known: Mapping[FileKey, SourceLoad],
    today: date,
) -> tuple[list[Incoming], list[Skipped]]:
    """The files with new content, each content once: of copies the earlier arrival counts. And
    those that are left where they are.

    `first_open` is the first settlement date that is not sealed. `known` gives arrival, settlement
    floor, shape and reading rules of contents that a release already names.
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
    if known.keys() <= loaded:
        # Otherwise one that seems to arrive later may be one the release knows, put back today.
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
                # All empty files are one content; the one that was loaded may have been plain.
                skipped.append(Skipped(file.name, "is empty, which no such file is"))
        elif key in known:
            incoming[key] = _as_known(file, known[key])
        elif file.arrived_on <= through:
            floor = settlement_floor(file.arrived_on, first_open)
            incoming[key] = Incoming(file, source_file_id, floor, rules.READING_RULES)
    _remember(warehouse, unknown, digests, through)
    _note_missing(warehouse, listed, through)
    return list(incoming.values()), skipped


def retries_of(incoming: Iterable[Incoming], known: Mapping[FileKey, SourceLoad]) -> list[Incoming]:
    """The lines of known files that were read again, each with the floor that they got then."""
    return [
        replace(
            file,
            settlement_floor=retry.settlement_floor,
            lines=retry.lines,
            rejected=None,
            reading_rules=retry.reading_rules,
        )
        for file in incoming
        if file.key in known
        for retry in known[file.key].retries
    ]


def settlement_floor(arrived_on: date, first_open: date | None) -> date:
    """The first settlement date that something can influence which is loaded now."""
    return max(arrived_on, first_open) if first_open else arrived_on


def batches(incoming: Iterable[Incoming]) -> Iterator[list[Incoming]]:
    """Files that one task can read: of one feed, shape, kind and rules, in order of their
    floors."""

    def kind(one: Incoming) -> tuple[str, str, str, int, bool]:
        # One that is judged by line is read line by line, and need not slow down the others.
        by_line = one.to_read.is_judged_by_line
        return one.file.feed, one.file.shape, one.file.kind, one.reading_rules, by_line

    in_order = sorted(incoming, key=lambda one: (*kind(one), one.settlement_floor, one.file.name))
    for _kind, group in groupby(in_order, kind):
        batch: list[Incoming] = []
        size = 0
        for one in group:
            if batch and (
                len(batch) >= _MAX_BATCH_FILES or size + one.file.size > _MAX_BATCH_BYTES
            ):
                yield batch
                batch, size = [], 0
            batch.append(one)
            size += one.file.size
        yield batch


def _as_known(file: LandingFile, load: SourceLoad) -> Incoming:
    """A file as a release names it, whatever its path or its date say now."""
    return Incoming(
        replace(file, arrived_on=load.arrived_on, shape=load.format),
        load.source_file_id,
        load.settlement_floor,
        load.reading_rules,
        lines=load.lines_at_first,
        rejected=load.rejected,
    )


def _remember(
    warehouse: Warehouse,
    files: Iterable[LandingFile],
    digests: Mapping[str, str | None],
    through: date,
) -> None:
    """Keep what the directory entries hold, so that a file is hashed once, and which of them held
    another content when they were loaded."""
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
    counting = _counting(warehouse)
    for path, size, _mtime, _inode, source_file_id in rows:
        was, was_bytes = before.get(path, (source_file_id, size))
        if was != source_file_id and (path.split("/")[0], was) in counting:
            warehouse.execute(
                "insert into ops.landing_changes values (?, ?, ?, ?, ?, ?)",
                [path, was, was_bytes, source_file_id, size, through],
            )
    warehouse.execute(
        "insert or replace into ops.landing_entries select unnest($rows, max_depth := 2)",
        {"rows": [dict(zip(("p", "s", "m", "i", "f"), row, strict=True)) for row in rows]},
    )


def _note_missing(warehouse: Warehouse, listed: Set[str], through: date) -> None:
    """Note which files that were loaded are gone, under whatever name, since the last run."""
    entries = warehouse.rows("select path, source_file_id, size_bytes from ops.landing_entries")
    gone = [entry for entry in entries if entry[0] not in listed]
    if not gone:
        return
    there = {source_file_id for path, source_file_id, _size in entries if path in listed}
    counting = _counting(warehouse)
    for path, source_file_id, size in gone:
        if source_file_id not in there and (path.split("/")[0], source_file_id) in counting:
            warehouse.execute(
                "insert into ops.landing_changes values (?, ?, ?, null, null, ?)",
                [path, source_file_id, size, through],
            )
        warehouse.execute("delete from ops.landing_entries where path = ?", [path])


def _counting(warehouse: Warehouse) -> set[FileKey]:
    """The files whose records count."""
    return set(
        warehouse.rows(
            "select feed, source_file_id from ops.source_files where quarantine_reason is null"
        )
    )
