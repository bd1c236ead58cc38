"""Withdraws files and lines: their records count no longer.

A withdrawn file keeps its row in `ops.loaded_files`, so that the same content is not loaded again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from callbill.ingest.feed import feeds
from callbill.warehouse.layout import WITH_ATTRIBUTES
from callbill.warehouse.loads import SourceLoad
from callbill.warehouse.warehouse import Row, Warehouse


def withdraw_as_released(warehouse: Warehouse, loads: Iterable[SourceLoad], run_id: str) -> None:
    """Withdraw the files that a release names as withdrawn, also those that no longer exist."""
    withdrawn = warehouse.rows(
        "select feed, source_file_id from ops.loaded_files where quarantine_reason is not null"
    )
    for load in loads:
        if load.quarantine_reason is not None and load.key not in withdrawn:
            insert_unloaded_file(warehouse, load, size=0, run_id=run_id)
            withdraw(warehouse, load.feed, load.source_file_id, load.quarantine_reason)


def insert_unloaded_file(warehouse: Warehouse, load: SourceLoad, *, size: int, run_id: str) -> None:
    """Insert a row for a file without loading it. If the file has a row already, it stays as it is.

    `size` is in bytes, 0 if it is not known.
    """
    warehouse.execute(
        """
        insert or ignore into ops.loaded_files (
            source_file_id, feed, path, format, arrived_on, settlement_floor, size_bytes,
            lines_read, records_accepted, records_rejected, run_id, loaded_at, reading_rules,
            shape_sha256, arrival
        )
        values (
            $id, $feed, $path, $format, $arrived, $floor, $size, 0, 0, 0, $run, $now, $rules,
            $shape, $arrival
        )
        """,
        {
            "id": load.source_file_id,
            "feed": load.feed,
            "path": load.path,
            "format": load.format,
            "arrived": load.arrived_on,
            "floor": load.settlement_floor,
            "size": size,
            "run": run_id,
            "now": datetime.now(UTC),
            "rules": load.reading_rules,
            "shape": load.shape_sha256,
            "arrival": load.arrival,
        },
    )


def withdraw(warehouse: Warehouse, feed: str, source_file_id: str, reason: str) -> None:
    """Mark a file as withdrawn, and delete its records where they are in a table.

    Where the latest counts, a view leaves them out: they can be those of a later delivery too.
    """
    with warehouse.transaction():
        warehouse.execute(
            "update ops.loaded_files set quarantine_reason = ?"
            " where feed = ? and source_file_id = ?",
            [reason, feed, source_file_id],
        )
        warehouse.execute(
            "delete from ops.cleaned_values where feed = ? and source_file_id = ?",
            [feed, source_file_id],
        )
        if feeds()[feed].kept_as == "table" and not feeds()[feed].latest_counts:
            warehouse.execute(f"delete from raw.{feed} where source_file_id = ?", [source_file_id])
            _forget_verdicts(warehouse, feed, source_file_id)
    warehouse.raw_records.create_views()


def withdraw_retries(
    warehouse: Warehouse,
    feed: str,
    source_file_id: str,
    sealed: date,
) -> int:
    """Withdraw the lines of a file that were read again and settle after `sealed`.

    They become rejected lines again. Returns their number.
    """
    of_file = "feed = $feed and source_file_id = $file"
    names = {"feed": feed, "file": source_file_id}
    is_table = feeds()[feed].kept_as == "table"
    parts: list[Row] = []
    counted = 0
    with warehouse.transaction():
        retries = warehouse.rows(
            f"delete from ops.retries where {of_file} and settlement_floor > $sealed"
            " returning run_id, settlement_floor, line_numbers, rejects",
            names | {"sealed": sealed},
        )
        # A file of which something is sealed has an earlier floor than these lines.
        warehouse.execute(
            f"delete from ops.cleaned_values where {of_file} and settlement_floor > $sealed",
            names | {"sealed": sealed},
        )
        for run_id, floor, numbers, rejects in retries:
            counted += len(numbers)
            # A retry writes Parquet files of its own, whose names begin with its run id.
            parts += warehouse.rows(
                "delete from ops.raw_files where contains(file_name, ?) or contains(file_name, ?)"
                " returning file_name",
                [f"/{run_id}-", f"/{WITH_ATTRIBUTES}{run_id}-"],
            )
            if is_table:
                warehouse.execute(
                    f"delete from {feeds()[feed].table} where source_file_id = ?"
                    " and list_contains(?, line_number) and settlement_floor = ?",
                    [source_file_id, numbers, floor],
                )
                _forget_verdicts(warehouse, feed, source_file_id)
            warehouse.execute(
                f"delete from ops.rejected_lines where {of_file}"
                " and list_contains($numbers, line_number)",
                names | {"numbers": numbers},
            )
            # After a rebuild the reason of the former reject is not known.
            warehouse.execute(
                f"""
                insert into ops.rejected_lines by name
                select
                    f.source_file_id, f.feed, f.path, n.line_number,
                    coalesce(r.reason, 'read_again_and_withdrawn') as reason, r.detail, r.fields,
                    coalesce(r.run_id, f.run_id) as run_id
                from ops.loaded_files as f
                cross join (select unnest($numbers) as line_number) as n
                left join (select unnest($rejects, recursive := true)) as r using (line_number)
                where {of_file}
                """,
                names | {"numbers": numbers, "rejects": rejects or []},
            )
        warehouse.execute(
            f"""
            update ops.loaded_files set
                records_accepted = records_accepted - $counted,
                records_rejected = records_rejected + $counted
            where {of_file}
            """,
            names | {"counted": counted},
        )
    for (name,) in parts:
        (warehouse.layout.raw(feed) / name).unlink()
    return counted


def _forget_verdicts(warehouse: Warehouse, feed: str, source_file_id: str) -> None:
    """Delete the verdicts on events that no longer exist. The next run judges the others again."""
    if feed == "account_events":
        warehouse.execute(
            """
            delete from ops.event_verdicts
            where source_file_id = ? and (source_file_id, line_number) not in (
                select (source_file_id, line_number) from raw.account_events
            )
            """,
            [source_file_id],
        )
