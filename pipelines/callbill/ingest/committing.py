"""Commits what a task has read: records, rejects and file rows of a batch, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from callbill.base.errors import UsageError
from callbill.base.sql import literal
from callbill.ingest.incoming import Incoming
from callbill.ingest.landing import Skipped
from callbill.ingest.read_task import FileOutcome, ReadOutcome
from callbill.ingest.shapes import Shape, shape_of
from callbill.storage.files import sync_file
from callbill.warehouse.warehouse import Warehouse


@dataclass
class LoadReport:
    """The counts of everything that a run loaded, and the files that it skipped."""

    files: int = 0
    lines_read: int = 0
    accepted: int = 0
    rejected: int = 0
    unreadable_files: int = 0
    skipped: list[Skipped] = field(default_factory=list)

    def count(self, files: Iterable[Incoming], outcome: ReadOutcome) -> None:
        """Add the counts of a batch."""
        for file in files:
            counts = outcome.files[file.source_file_id]
            self.files += not file.is_retry
            self.lines_read += counts.accepted + counts.rejected
            self.accepted += counts.accepted
            self.rejected += counts.rejected
            self.unreadable_files += counts.unreadable is not None


def commit(
    warehouse: Warehouse, files: Sequence[Incoming], outcome: ReadOutcome, run_id: str
) -> None:
    """Commit the outcome of reading files of one feed and shape, in one transaction.

    Where the feed is kept as Parquet, the transaction only names the parts. They are moved to their
    place afterwards. If the run ends in between, the next one moves them
    (`RawRecords.finish_loads`).
    """
    for file in files:
        why = outcome.files[file.source_file_id].unreadable
        if file.is_retry and why is not None:
            raise UsageError(f"{file.file.name} {why}: its rejected lines stay as they are")
    shape = shape_of(files[0].file.feed, files[0].file.shape)
    folder = warehouse.layout.loading
    parts = [folder / part for part in outcome.parts]
    is_parquet = shape.feed.kept_as == "parquet"
    if is_parquet:
        for part in parts:
            sync_file(part)
    with warehouse.transaction():
        _create_rejects_table(warehouse, folder / outcome.rejects if outcome.rejects else None)
        for file in files:
            counts = outcome.files[file.source_file_id]
            if file.is_retry:
                _update_retried_file(warehouse, file, counts, run_id)
            else:
                _insert_file_row(warehouse, file, counts, shape, run_id)
            _count_cleaned_values(warehouse, file, counts)
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
                "ops.raw_files", [(f"{part.parent.name}/{part.name}",) for part in parts]
            )
        elif parts:
            names = ", ".join(literal(str(part)) for part in parts)
            warehouse.execute(
                f"insert into raw.{shape.feed.name} by name"
                f" from read_parquet([{names}], hive_partitioning = false)"
            )
    show_records(warehouse)


def show_records(warehouse: Warehouse) -> None:
    """Move committed Parquet files to the folder that `raw.call_logs` reads."""
    warehouse.raw_records.finish_loads()


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


def _insert_file_row(
    warehouse: Warehouse, incoming: Incoming, counts: FileOutcome, shape: Shape, run_id: str
) -> None:
    warehouse.insert(
        "ops.loaded_files",
        [
            (
                incoming.source_file_id, incoming.file.feed, incoming.file.name,
                incoming.file.shape, incoming.file.arrived_on, incoming.settlement_floor,
                incoming.file.size, counts.accepted + counts.rejected, counts.accepted,
                counts.rejected, run_id, datetime.now(UTC), None, incoming.reading_rules,
                shape.sha256,
            )
        ],
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
    warehouse: Warehouse, retry: Incoming, counts: FileOutcome, run_id: str
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
            list(n order by n) as line_numbers, $run_id as run_id, $rules as reading_rules, (
                select list({{
                    'line_number': line_number, 'reason': reason, 'detail': detail,
                    'fields': fields, 'run_id': run_id
                }})
                from ops.rejected_records where {of_file} and {retry.lines.condition}
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
