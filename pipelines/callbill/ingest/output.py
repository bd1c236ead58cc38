"""The output of a task: Parquet files of accepted records, and one of rejected lines.

It also counts them, and checks that every line that was read was either accepted or rejected.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb

from callbill.base.errors import CallbillError
from callbill.base.sql import literal
from callbill.ingest.read_task import FileOutcome, ReadOutcome, ReadTask
from callbill.ingest.readers.lines import BadLine
from callbill.ingest.relation import Relation
from callbill.ingest.templates import identifier_rules
from callbill.warehouse.by_date import PARQUET
from callbill.warehouse.layout import WITH_ATTRIBUTES


class Output:
    """Writes the accepted records of a task in parts, and its rejected lines."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, task: ReadTask, is_partitioned: bool
    ) -> None:
        self.con = con
        self.folder = task.folder
        self.name = task.name
        self.names = [file.source_file_id for file in task.files]
        self.has_record_floors = any(file.settlement_floor is None for file in task.files)
        self.display_names = {file.source_file_id: file.name for file in task.files}
        self.is_partitioned = is_partitioned
        self.buckets = task.buckets
        self.reading_rules = task.reading_rules
        self.parts: list[Path] = []
        self.parts_begun = 0
        self.cleaned: defaultdict[str, Counter[str]] = defaultdict(Counter)
        con.execute(
            """
            create or replace temp table rejects (
                source_file_id varchar, line_number bigint, reason varchar, detail varchar,
                fields varchar, line_length bigint, line_sha256 varchar
            )
            """
        )
        con.execute("drop table if exists temp.accepted")

    def keep_accepted(self, floors: set[date | None]) -> None:
        """Keep the accepted records of the table `judged`."""
        if self.is_partitioned:
            accepted = (
                "select * exclude (line_number, reason, fields, cleaned) from judged"
                " where reason is null"
            )
            self.write(Relation(accepted), floors)
            return
        self.con.execute(
            "create temp table if not exists accepted as"
            " select * exclude (reason, cleaned) from judged limit 0"
        )
        self.con.execute(
            "insert into accepted by name select * exclude (reason, cleaned) from judged"
            " anti join (from judged where reason is not null) using (source_file_id, line_number)"
        )

    def count_cleaned(self) -> None:
        """Count the values of accepted lines of the table `judged` that something was taken off."""
        for source_file_id, name, values in self.con.execute(
            """
            select source_file_id, field, count(*)
            from (
                select distinct source_file_id, line_number, unnest(cleaned) as field
                from judged
                anti join (from judged where reason is not null)
                    using (source_file_id, line_number)
                where cleaned <> []
            )
            group by all
            """
        ).fetchall():
            self.cleaned[source_file_id][name] += values

    def write(self, accepted: Relation, floors: set[date | None]) -> int:
        """Write accepted records to Parquet, a folder per settlement floor. Returns how many."""
        self.parts_begun += 1
        part = self._part
        query = accepted.query
        if self.buckets > 1:
            self.folder.mkdir(parents=True, exist_ok=True)
            query = f"select *, {self._bucket} as bucket from ({query})"
            target = (
                f"{literal(str(self.folder))} ({PARQUET},"
                " partition_by (settlement_floor, bucket),"
                f" overwrite_or_ignore true, filename_pattern {literal(part + '_{i}')})"
            )
        elif len(floors) == 1 and None not in floors:
            folder = self.folder / f"settlement_floor={next(iter(floors))}"
            folder.mkdir(parents=True, exist_ok=True)
            target = f"{literal(str(folder / f'{part}.parquet'))} ({PARQUET})"
            query = f"select * exclude (settlement_floor) from ({query})"
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            target = (
                f"{literal(str(self.folder))} ({PARQUET}, partition_by (settlement_floor),"
                f" overwrite_or_ignore true, filename_pattern {literal(part + '_{i}')})"
            )
        [(rows,)] = self.con.execute(f"copy ({query}) to {target}", accepted.parameters).fetchall()
        if rows:
            self.parts += sorted(self.folder.rglob(f"{part}*.parquet"))
        return int(rows)

    def discard_last_part(self) -> None:
        """Leave out the files of the last `write`."""
        self.parts = [path for path in self.parts if not path.name.startswith(self._part)]

    def last_part_has(self, oddities: Sequence[str]) -> bool:
        """Whether a record of the last `write` meets one of these SQL conditions."""
        files = [path for path in self.parts if path.name.startswith(self._part)]
        if not oddities or not files:
            return False
        names = ", ".join(literal(str(path)) for path in files)
        # A query each: of a column with few values DuckDB then looks at each value once.
        found = " union all ".join(
            f"(select 1 from read_parquet([{names}], hive_partitioning = false)"
            f" where {oddity} limit 1)"
            for oddity in oddities
        )
        return bool(self.con.execute(found).fetchall())

    @property
    def _bucket(self) -> str:
        """SQL for the bucket of a record. Records that are matched by their cleaned request id are
        in one bucket, whatever rules they were read by."""
        is_clean = self.reading_rules >= 2
        cleaned = "request_id" if is_clean else identifier_rules().stripped("request_id")
        return f"(md5_number_lower({cleaned}) % {self.buckets})::integer"

    @property
    def _part(self) -> str:
        part = f"{self.name}-{self.parts_begun - 1:03d}"
        return f"{WITH_ATTRIBUTES}{part}" if self.is_partitioned else part

    def finish(
        self,
        bad_lines: Sequence[tuple[str, BadLine]],
        unreadable: dict[str, str],
        lines_seen: Counter[str],
    ) -> ReadOutcome:
        """Write the rejects and count everything that was written.

        `bad_lines` and `unreadable` are rejected too. `lines_seen` has the number of lines read of
        files that were read line by line. Raises CallbillError if a file's counts do not add up to
        it.
        """
        outcome = ReadOutcome()
        accepted = self._count_accepted()
        first_dates = self._first_settlement_dates()
        _insert(
            self.con,
            "rejects (source_file_id, line_number, reason, line_length, line_sha256)",
            [(name, b.number, b.reason, b.length, b.sha256) for name, b in bad_lines],
        )
        rejected = dict(
            self.con.execute("select source_file_id, count(*) from rejects group by all").fetchall()
        )
        _insert(
            self.con,
            "rejects (source_file_id, reason, detail)",
            [(name, "unreadable_file", why) for name, why in unreadable.items()],
        )
        never_reached = dict(
            self.con.execute(
                "select source_file_id, count(*) from rejects where reason = 'never_reached'"
                " group by all"
            ).fetchall()
        )
        for name in self.names:
            file = FileOutcome(
                accepted.get(name, 0),
                rejected.get(name, 0),
                never_reached.get(name, 0),
                unreadable.get(name),
                first_dates.get(name),
                dict(sorted(self.cleaned[name].items())),
            )
            if name in lines_seen and lines_seen[name] != file.accepted + file.rejected:
                raise CallbillError(
                    f"{self.display_names[name]}: of {lines_seen[name]} lines {file.accepted} were "
                    f"accepted and {file.rejected} rejected; this is a fault of callbill, nothing "
                    "of the file was kept"
                )
            outcome.files[name] = file
        if rejected or unreadable:
            path = self._write_table("rejects")
            outcome.rejects = path.name
        outcome.parts = [part.relative_to(self.folder).as_posix() for part in self.parts]
        outcome.sizes = self._sizes()
        return outcome

    def _sizes(self) -> dict[str, list[int]]:
        if not self.is_partitioned or not self.parts:
            return {}
        files = ", ".join(literal(str(part)) for part in self.parts)
        records = dict(
            self.con.execute(
                f"select file_name, num_rows from parquet_file_metadata([{files}])"
            ).fetchall()
        )
        return {
            part.relative_to(self.folder).as_posix(): [records[str(part)], part.stat().st_size]
            for part in self.parts
        }

    def _count_accepted(self) -> dict[str, int]:
        if not self.is_partitioned:
            has_rows = self.con.execute(
                "select 1 from duckdb_tables() where table_name = 'accepted' and temporary"
            ).fetchall()
            if not has_rows:
                return {}
            self.parts.append(self._write_table("accepted"))
        if not self.parts:
            return {}
        # A line of a vendor's bill can hold several items. A line of a call log is one record.
        counted = "count(*)" if self.is_partitioned else "count(distinct line_number)"
        files = ", ".join(literal(str(part)) for part in self.parts)
        return dict(
            self.con.execute(
                f"select source_file_id, {counted} from read_parquet([{files}],"
                " hive_partitioning = false) group by all"
            ).fetchall()
        )

    def _first_settlement_dates(self) -> dict[str, str]:
        """The first settlement date of each file's records, if they have floors of their own."""
        if not self.has_record_floors or not self.is_partitioned or not self.parts:
            return {}
        files = ", ".join(literal(str(part)) for part in self.parts)
        return dict(
            self.con.execute(
                "select source_file_id, cast(min(settled_on) as varchar)"
                f" from read_parquet([{files}], hive_partitioning = false) group by all"
            ).fetchall()
        )

    def _write_table(self, table: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}.{table}.parquet"
        self.con.execute(f"copy (from temp.{table}) to {literal(str(path))} (format parquet)")
        return path


def _insert(
    con: duckdb.DuckDBPyConnection, target: str, rows: Sequence[tuple[object, ...]]
) -> None:
    """Insert rows, 500 per statement: a statement for each row would take a millisecond."""
    for start in range(0, len(rows), 500):
        some = rows[start : start + 500]
        values = ", ".join(f"({', '.join('?' * len(row))})" for row in some)
        con.execute(f"insert into {target} values {values}", [v for row in some for v in row])
