"""Commits what a task has read: records, rejects and file rows of a batch, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from callbill.base.errors import UsageError
from callbill.base.sql import literal
from callbill.ingest.incoming import Incoming
from callbill.ingest.landing import Skipped, Waiting, kind_of
from callbill.ingest.read_task import FileOutcome, ReadOutcome
from callbill.ingest.shapes import Shape, shape_of
from callbill.storage.files import sync_file
from callbill.warehouse.loads import SHA256_LENGTH, SourceLoad, as_ranges
from callbill.warehouse.warehouse import Row, Warehouse


@dataclass
class LoadReport:
    """The counts of everything that a run loaded, and the files that it skipped."""

    files: int = 0
    lines_read: int = 0
    accepted: int = 0
    rejected: int = 0
    # Of the rejected, attempts that reached no server.
    never_reached: int = 0
    unreadable_files: int = 0
    # By field, values that something was taken off.
    cleaned: dict[str, int] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def count(self, files: Iterable[Incoming], outcome: ReadOutcome) -> None:
        """Add the counts of a batch."""
        for file in files:
            self.count_file(outcome.files[file.source_file_id])
            self.files -= file.is_retry

    def count_file(self, counts: FileOutcome) -> None:
        """Add the counts of a file."""
        self.files += 1
        self.lines_read += counts.accepted + counts.rejected
        self.accepted += counts.accepted
        self.rejected += counts.rejected
        self.never_reached += counts.never_reached
        self.unreadable_files += counts.unreadable is not None
        for name, values in counts.cleaned.items():
            self.cleaned[name] = self.cleaned.get(name, 0) + values


def commit(
    warehouse: Warehouse,
    files: Sequence[Incoming],
    folder: Path,
    outcome: ReadOutcome,
    run_id: str,
) -> None:
    """Commit the outcome of reading files of one feed and shape, in one transaction. `folder` is
    that of the task.

    Where the feed is kept as Parquet, the transaction only names the parts. They are moved to their
    place afterwards. If the run ends in between, the next one moves them
    (`RawRecords.finish_loads`).
    """
    for file in files:
        why = outcome.files[file.source_file_id].unreadable
        if file.is_retry and why is not None:
            raise UsageError(f"{file.file.name} {why}: its rejected lines stay as they are")
    first = files[0]
    shape = shape_of(first.file.feed, first.file.shape, declaration=first.declaration)
    parts = [folder / part for part in outcome.parts]
    is_parquet = shape.feed.kept_as == "parquet"
    if is_parquet:
        for part in parts:
            sync_file(part)
    with warehouse.transaction():
        if shape.declaration:
            warehouse.execute(
                "insert or ignore into ops.shape_declarations values (?, ?, ?)",
                [shape.sha256, shape.name, shape.declaration],
            )
        _create_rejects_table(warehouse, folder / outcome.rejects if outcome.rejects else None)
        file_rows = []
        for file in files:
            counts = outcome.files[file.source_file_id]
            if file.is_retry:
                _update_retried_file(warehouse, file, counts, shape, run_id)
            else:
                file_rows.append(_file_row(file, counts, shape, run_id))
            _count_cleaned_values(warehouse, file, counts)
        warehouse.insert("ops.loaded_files", file_rows)
        warehouse.execute(
            """
            insert into ops.rejected_lines by name
            select r.*, f.feed, f.path, f.run_id
            from committing_rejects as r
            inner join ops.loaded_files as f
                on r.source_file_id = f.source_file_id and f.feed = ?
            """,
            [shape.feed.name],
        )
        if is_parquet:
            warehouse.insert(
                "ops.raw_files", [(part, *outcome.sizes[part]) for part in outcome.parts]
            )
        elif parts:
            names = ", ".join(literal(str(part)) for part in parts)
            warehouse.execute(
                f"insert into {shape.feed.table} by name"
                f" from read_parquet([{names}], hive_partitioning = false)"
            )
    if is_parquet:
        show_records(warehouse, folder, outcome)


def commit_repetition(
    warehouse: Warehouse, incoming: Incoming, released: SourceLoad | None, run_id: str
) -> FileOutcome | None:
    """Commit a later delivery of content as it was read before, without reading it again. Its rows
    are those of the earlier delivery, under its own dates.

    `released` is the delivery as the current release names it, None if it is new. The result is
    None if no earlier delivery was read by the same rules, from a file of the same kind, or if
    lines of either were read again. Then the file has to be read.
    """
    if incoming.lines is not None:
        return None
    feed = incoming.file.feed
    candidates = warehouse.rows(
        """
        select f.source_file_id, f.path, f.lines_read, f.records_accepted, f.records_rejected,
            (
                select list(coalesce(r.line_number, 0)) from ops.rejected_lines as r
                where r.feed = f.feed and r.source_file_id = f.source_file_id
            )
        from ops.loaded_files as f
        where f.feed = $feed and starts_with(f.source_file_id, $sha256)
            and f.arrived_on < $arrived_on and f.same_rows_as is null
            and f.quarantine_reason is null and f.format = $format and f.reading_rules = $rules
            and not exists (
                from ops.retries as r
                where r.feed = f.feed and r.source_file_id = f.source_file_id
            )
        order by f.arrived_on desc limit 1
        """,
        {
            "feed": feed,
            "sha256": incoming.source_file_id[:SHA256_LENGTH],
            "arrived_on": incoming.file.arrived_on,
            "format": incoming.file.shape,
            "rules": incoming.reading_rules,
        },
    )
    if not candidates:
        return None
    source, path, lines_read, accepted, rejects, rejected_lines = candidates[0]
    if kind_of(path) != kind_of(incoming.file.name):
        return None
    is_unreadable = rejected_lines == [0]
    if released is not None:
        expected = "all" if is_unreadable else as_ranges(sorted(rejected_lines or ()))
        if (released.rejected_lines or "") != expected:
            return None
    with warehouse.transaction():
        warehouse.execute(
            """
            insert into ops.loaded_files by name
            select f.* replace (
                $id as source_file_id, $path as path, $arrived_on as arrived_on,
                $floor as settlement_floor, $run_id as run_id, $now as loaded_at,
                cast(null as varchar) as arrival, $source as same_rows_as
            )
            from ops.loaded_files as f where f.feed = $feed and f.source_file_id = $source
            """,
            {
                "id": incoming.source_file_id,
                "path": incoming.file.name,
                "arrived_on": incoming.file.arrived_on,
                "floor": incoming.settlement_floor,
                "run_id": run_id,
                "now": datetime.now(UTC),
                "feed": feed,
                "source": source,
            },
        )
        warehouse.execute(
            """
            insert into ops.rejected_lines by name
            select r.* replace ($id as source_file_id, $path as path, $run_id as run_id)
            from ops.rejected_lines as r where r.feed = $feed and r.source_file_id = $source
            """,
            {
                "id": incoming.source_file_id,
                "path": incoming.file.name,
                "run_id": run_id,
                "feed": feed,
                "source": source,
            },
        )
    unreadable = "as when it was first delivered" if is_unreadable else None
    assert lines_read == accepted + rejects  # noqa: S101  always so
    return FileOutcome(accepted, rejects, unreadable=unreadable)


def show_records(warehouse: Warehouse, folder: Path, outcome: ReadOutcome) -> None:
    """Move committed Parquet files to the folder that `raw.call_logs` reads."""
    warehouse.raw_records.move_in(folder, outcome.parts)


def _create_rejects_table(warehouse: Warehouse, path: Path | None) -> None:
    """Create the table `committing_rejects` from a task's file of rejects."""
    warehouse.execute(
        "create or replace temp table committing_rejects as "
        "select * exclude (feed, path, run_id) from ops.rejected_lines where false"
    )
    if path is not None:
        warehouse.execute(
            f"insert into committing_rejects by name from read_parquet({literal(str(path))},"
            " hive_partitioning = false)"
        )


def _file_row(incoming: Incoming, counts: FileOutcome, shape: Shape, run_id: str) -> Row:
    """The row of `ops.loaded_files` for a file."""
    floor = incoming.settlement_floor
    if counts.first_settled_on is not None and incoming.has_record_floors:
        floor = date.fromisoformat(counts.first_settled_on)
    return (
        incoming.source_file_id, incoming.file.feed, incoming.file.name, incoming.file.shape,
        incoming.file.arrived_on, floor, incoming.file.size, counts.accepted + counts.rejected,
        counts.accepted, counts.rejected, run_id, datetime.now(UTC), None, incoming.reading_rules,
        shape.sha256, incoming.arrival, None,
    )  # fmt: skip


def _count_cleaned_values(warehouse: Warehouse, file: Incoming, counts: FileOutcome) -> None:
    for name, values in counts.cleaned.items():
        warehouse.execute(
            """
            insert into ops.cleaned_values by name
            select $file as source_file_id, $feed as feed, $field as field, $values as values,
                $floor as settlement_floor
            on conflict do update set values = cleaned_values.values + excluded.values
            """,
            {
                "file": file.source_file_id,
                "feed": file.file.feed,
                "field": name,
                "values": values,
                "floor": file.settlement_floor,
            },
        )


def _update_retried_file(
    warehouse: Warehouse, retry: Incoming, counts: FileOutcome, shape: Shape, run_id: str
) -> None:
    """Change the counts of a file whose rejected lines were read again, and insert the lines that
    were accepted, with their former rejects, into `ops.retries`."""
    assert retry.lines is not None  # noqa: S101  always so for a retry
    of_file = (
        f"feed = {literal(retry.file.feed)} and source_file_id = {literal(retry.source_file_id)}"
    )
    warehouse.execute(
        f"""
        insert into ops.retries by name
        select $name as source_file_id, $feed as feed, $floor as settlement_floor,
            list(n order by n) as line_numbers, $run_id as run_id, $rules as reading_rules,
            $shape as shape_sha256, (
                select list({{
                    'line_number': line_number, 'reason': reason, 'detail': detail,
                    'fields': fields, 'run_id': run_id
                }})
                from ops.rejected_lines where {of_file} and {retry.lines.condition}
            ) as rejects
        from (select unnest($numbers) as n)
        where n not in (select line_number from committing_rejects)
        having count(*) > 0
        """,
        {
            "name": retry.source_file_id,
            "feed": retry.file.feed,
            "floor": retry.settlement_floor,
            "numbers": sorted(retry.lines.numbers),
            "run_id": run_id,
            "rules": retry.reading_rules,
            "shape": shape.sha256 if shape.declaration else None,
        },
    )
    read_again = warehouse.rows(
        f"delete from ops.rejected_lines where {of_file} and {retry.lines.condition}"
        " returning line_number"
    )
    warehouse.execute(
        f"""
        update ops.loaded_files set
            lines_read = lines_read - $read_again + $good + $bad,
            records_accepted = records_accepted + $good,
            records_rejected = records_rejected - $read_again + $bad
        where {of_file}
        """,
        {"read_again": len(read_again), "good": counts.accepted, "bad": counts.rejected},
    )
