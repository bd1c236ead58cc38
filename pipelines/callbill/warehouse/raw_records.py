"""Accepted records of call logs: Parquet files, and the views in schema `raw` that read them.

`ops.raw_files` names the committed files. This module keeps the folder in line with it. `ingest`
writes the files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import date
from functools import cached_property
from pathlib import Path

import duckdb

from callbill.base.errors import UsageError
from callbill.base.sql import literal
from callbill.storage.files import sync_folder
from callbill.warehouse.layout import EMPTY_DATE, EMPTY_FILE, WITH_ATTRIBUTES, Layout


class RawRecords:
    """The Parquet files of a warehouse's accepted records."""

    def __init__(self, con: duckdb.DuckDBPyConnection, layout: Layout) -> None:
        self.con = con
        self.layout = layout

    def create_views(self) -> None:
        """Create the view `raw.call_logs`, which has the records that count.

        The views have absolute paths and the ids of withdrawn files. So they are created again
        whenever the warehouse is opened, because it may have been moved, and whenever files were
        loaded or withdrawn.

        They state the number of records. DuckDB's own estimate for a folder of files can be zero,
        and then a join would keep the larger side in memory.
        """
        folder = self.layout.raw("call_logs")
        empty = self.empty
        if not empty.exists():
            empty.parent.mkdir(parents=True, exist_ok=True)
            building = empty.with_suffix(".tmp")
            self.con.execute(
                "copy (from raw.call_logs_layout) to ? (format parquet)", [str(building)]
            )
            building.replace(empty)
        # By name, because the path can have other folders of the form key=value.
        described = self.con.execute("describe raw.call_logs_layout").fetchall()
        columns = ", ".join(row[0] for row in described)
        [(records,)] = self.con.execute(
            "select coalesce(sum(records_accepted), 0) from ops.source_files"
            " where feed = 'call_logs'"
        ).fetchall()
        all_files = folder / "*" / ("*" if self.buckets > 1 else "")

        def records_in(names: str, columns: str) -> str:
            return f"""
                select {columns}, settlement_floor
                from read_parquet(
                    {literal(str(all_files / names))},
                    hive_partitioning = true, hive_types = {{'settlement_floor': date}},
                    explicit_cardinality = {max(records, 1)}
                )
            """

        parts = [records_in(f"{WITH_ATTRIBUTES}*.parquet", columns)]
        if self._has_older_files():
            older = ", ".join(
                "null::varchar as attributes" if row[0] == "attributes" else row[0]
                for row in described
            )
            parts.append(records_in(f"[!{WITH_ATTRIBUTES[0]}]*.parquet", older))
        self.con.execute(
            f"create or replace view raw.call_logs_loaded as {' union all '.join(parts)}"
        )
        withdrawn = self.con.execute(
            "select source_file_id from ops.source_files"
            " where feed = 'call_logs' and quarantine_reason is not null order by all"
        ).fetchall()
        names = ", ".join(literal(row[0]) for row in withdrawn)
        counted = f"where source_file_id not in ({names})" if withdrawn else ""
        self.con.execute(
            f"create or replace view raw.call_logs as from raw.call_logs_loaded {counted}"
        )

    def finish_loads(self) -> None:
        """Move the files of committed loads to the folder that `raw.call_logs` reads, and remove
        those of loads that were never committed.

        A load writes its files into `layout.loading`, commits their names, and moves them. This is
        the last step. A run begins with it too, because the last run may have ended before it.
        """
        committed = self._committed_files()
        for path in self.layout.loading.rglob("settlement_floor=*/**/*.parquet"):
            name = path.as_posix().removeprefix(self.layout.loading.as_posix())
            name = name[name.index("settlement_floor=") :]
            if name in committed:
                self._move_in(path, name)
        shutil.rmtree(self.layout.loading, ignore_errors=True)

    def move_in(self, folder: Path, parts: Iterable[str]) -> None:
        """Move the committed files of a load to the folder that `raw.call_logs` reads."""
        for part in parts:
            self._move_in(folder / part, part)

    def _move_in(self, path: Path, name: str) -> None:
        target = self.layout.raw("call_logs") / name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        sync_folder(target.parent)

    def check_files(self) -> None:
        """Compare the Parquet files with `ops.raw_files`.

        Files that it does not name belong to a warehouse that is gone. They are put aside until
        `drop_unknown_files`. Raises UsageError if a file that it names is missing.
        """
        folder = self.layout.raw("call_logs")
        committed = self._committed_files()
        present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.parquet")}
        for name, path in present.items():
            if name not in committed and path.name not in (EMPTY_FILE, self.empty.name):
                target = self.layout.unknown / name
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
        missing = sorted(committed - present.keys())
        if missing:
            raise UsageError(
                f"{len(missing)} of the warehouse's files are missing, {folder / missing[0]} among "
                "them: `callbill rebuild` makes a new warehouse from the landing folder and the "
                "current release"
            )

    @property
    def empty(self) -> Path:
        """The file that the columns are taken from. A floor has a folder, and in it each bucket if
        there are several."""
        folder = self.layout.raw("call_logs") / f"settlement_floor={EMPTY_DATE}"
        name = f"{WITH_ATTRIBUTES}{EMPTY_FILE}"
        return folder / ("bucket=0" if self.buckets > 1 else "") / name

    def files_of(self, bucket: int, floor: date) -> list[tuple[str, int, int]]:
        """The files of a bucket from a settlement floor on: name, records, bytes."""
        return self.con.execute(
            f"""
            select file_name, records, size_bytes
            from ops.raw_files
            where file_name like '%/bucket={int(bucket)}/%'
                and substr(file_name, 18, 10) >= ?
            order by file_name
            """,
            [str(floor)],
        ).fetchall()

    @cached_property
    def buckets(self) -> int:
        """Into how many buckets calls are divided. Records of one request id are in one bucket."""
        [(buckets,)] = self.con.execute("select buckets from ops.warehouse").fetchall()
        return int(buckets)

    def _has_older_files(self) -> bool:
        """Whether there are files without the column `attributes`."""
        older = "not contains(file_name, ?)"
        query = f"select exists (from ops.raw_files where {older})"
        [(has_older,)] = self.con.execute(query, [f"/{WITH_ATTRIBUTES}"]).fetchall()
        return bool(has_older)

    def _committed_files(self) -> set[str]:
        rows = self.con.execute("select file_name from ops.raw_files").fetchall()
        return {row[0] for row in rows}

    def drop_unknown_files(self) -> None:
        """Remove the files that `check_files` put aside. By now all files of the release are
        loaded."""
        shutil.rmtree(self.layout.unknown, ignore_errors=True)
