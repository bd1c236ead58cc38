"""Reading files of one feed, shape and kind into typed Parquet: whole, or line by line.

Clean files of many records are read whole, at the engine's speed. A file that has anything odd in
it is read line by line. Both ways give the same texts to the feed's one judge.sql, so that a line
does not depend on its neighbours.

What is read lies aside, under names of its own, until it is committed (`committing`). Nothing here
knows the warehouse: a task says all there is to know, and can be run anywhere.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from callbill.base.errors import CallbillError
from callbill.base.machine import fault_of_machine
from callbill.base.sql import literal
from callbill.ingest.judging import judging_query, pages_query
from callbill.ingest.readers import delimited, json_lines, parquet
from callbill.ingest.readers.document import document_as_line
from callbill.ingest.readers.field_texts import Column, texts_of_columns
from callbill.ingest.readers.lines import BadLine, Line, UnreadableFileError
from callbill.ingest.readers.unpacking import decompress
from callbill.ingest.relation import Relation
from callbill.ingest.shapes import shape_of
from callbill.warehouse.loads import ALL_LINES, LineSelection

# Each id is another: to try a dictionary on them is a sixth of the time it takes to write.
_PARQUET_OUT = (
    "format parquet, parquet_version v2, compression zstd, compression_level 1,"
    " dictionary_size_limit 10000"
)
_TEXT_AT_ONCE = 16 * 1024 * 1024
_EVERY_LINE = LineSelection(frozenset(), only=False)


@dataclass(frozen=True)
class FileToRead:
    """A file, or some of its lines: those that were rejected are read again, or those that will be
    are left out. Of a file that a release names, what was rejected then stays rejected."""

    path: Path
    name: str
    compression: str
    source_file_id: str
    arrived_on: date
    settlement_floor: date
    lines: LineSelection | None = None
    rejected: LineSelection | None = None

    @property
    def is_judged_by_line(self) -> bool:
        """Whether more decides on its lines than what they say."""
        return self.lines is not None or self.rejected is not None


@dataclass(frozen=True)
class ReadTask:
    """Files of one feed, shape and kind, to be read into `folder`."""

    # What the files that are written are named by.
    name: str
    feed: str
    shape: str
    kind: str
    billing_timezone: str
    reading_rules: int
    files: tuple[FileToRead, ...]
    folder: Path
    # Emptied before and after.
    scratch: Path


@dataclass
class FileOutcome:
    """What became of a file's lines: all that were read were accepted or rejected."""

    accepted: int = 0
    rejected: int = 0
    # Why it could not be read at all.
    unreadable: str | None = None


@dataclass
class ReadOutcome:
    """What a task came to. Paths are relative to its folder."""

    files: dict[str, FileOutcome] = field(default_factory=dict)
    # Parquet files of accepted records, by settlement floor where the feed keeps them so.
    parts: list[str] = field(default_factory=list)
    # A Parquet file of what was rejected.
    rejects: str | None = None


def read_files(con: duckdb.DuckDBPyConnection, task: ReadTask) -> ReadOutcome:
    """Read all files of a task.

    Raises FileNotFoundError if one has vanished, CallbillError if the machine cannot go on, or if
    not every line that was read was either accepted or rejected.
    """
    shutil.rmtree(task.scratch, ignore_errors=True)  # a killed run's
    task.scratch.mkdir(parents=True)
    try:
        return _Reading(con, task).read()
    finally:
        shutil.rmtree(task.scratch, ignore_errors=True)


# CSV headers, or Parquet columns with their types: files that have it in common are read by one
# statement.
_Layout = tuple[tuple[str, str], ...]


class _Reading:
    """One task, while it is read."""

    def __init__(self, con: duckdb.DuckDBPyConnection, task: ReadTask) -> None:
        self.con = con
        self.task = task
        self.shape = shape_of(task.feed, task.shape)
        self.feed = self.shape.feed
        self.zone = ZoneInfo(task.billing_timezone)
        self.files = {file.source_file_id: file for file in task.files}
        self.unreadable: dict[str, str] = {}
        self.bad_lines: list[tuple[str, BadLine]] = []
        # Lines that were counted while they were read one by one, to hold the outcome against.
        self.lines_seen: Counter[str] = Counter()
        self.output = _Output(con, task, self.feed.kept_as == "parquet")

    def read(self) -> ReadOutcome:
        layouts: dict[_Layout, dict[str, Path]] = {}
        for source_file_id, path in self._unpacked():
            try:
                layout, path = self._layout(path)
                layouts.setdefault(layout, {})[source_file_id] = path
            except UnreadableFileError as error:
                self.unreadable[source_file_id] = str(error)
        for layout, paths in layouts.items():
            self._read_alike(layout, paths)
        return self.output.finish(self.bad_lines, self.unreadable, self.lines_seen)

    def _unpacked(self) -> Iterator[tuple[str, Path]]:
        """Each file's plain content under a name that is safe in every statement."""
        # Unpacking leaves the interpreter alone: two at a time take half as long.
        with ThreadPoolExecutor(max_workers=2) as pool:
            plain = {
                source_file_id: pool.submit(self._plain, file)
                for source_file_id, file in self.files.items()
                if file.rejected != ALL_LINES
            }
        for source_file_id in self.files:
            if source_file_id not in plain:
                self.unreadable[source_file_id] = "was rejected whole when it was first loaded"
                continue
            try:
                yield source_file_id, plain[source_file_id].result()
            except UnreadableFileError as error:
                self.unreadable[source_file_id] = str(error)

    def _plain(self, file: FileToRead) -> Path:
        target = self.task.scratch / f"{file.source_file_id}.{self.task.kind}"
        if file.compression:
            decompress(file.path, file.compression, target)
        else:
            target.symlink_to(file.path.resolve())
        if self.task.kind != "document":
            return target
        line = target.with_suffix(".line")
        document_as_line(target, line)
        return line

    def _layout(self, path: Path) -> tuple[_Layout, Path]:
        """What a file has in common with others, and where to read it. Raises
        UnreadableFileError."""
        if self.task.kind == "csv":
            return tuple((name, "VARCHAR") for name in delimited.read_header(path)), path
        if self.task.kind != "parquet":
            return (), path
        schema = parquet.schema_of(self.con, path)
        copy = parquet.without_added_columns(
            self.con, path, schema, path.parent / "copies" / path.name
        )
        return (schema, path) if copy == path else (parquet.schema_of(self.con, copy), copy)

    def _read_alike(self, layout: _Layout, paths: dict[str, Path]) -> None:
        """All files at once; those that are not clean line by line."""
        careful = dict(paths)
        is_by_line = any(file.is_judged_by_line for file in self.files.values())
        if self.feed.read_whole and not is_by_line:
            clean, expected = self._may_be_clean(layout, paths)
            not_clean = self._read_clean(layout, clean, expected)
            careful = {n: path for n, path in paths.items() if n in not_clean or n not in clean}
        if self.task.kind == "parquet":
            for source_file_id, path in careful.items():
                self._read_rows(source_file_id, path)
        else:
            self._read_lines(layout, careful)

    # --- whole files ---------------------------------------------------------------------------

    def _may_be_clean(
        self, layout: _Layout, paths: dict[str, Path]
    ) -> tuple[dict[str, Path], dict[str, int]]:
        """The files that the engine may read whole, and how many records each has to have, where
        that can be counted beforehand."""
        if self.task.kind != "csv":
            return paths, {}
        counts = {name: delimited.plain_records(path, len(layout)) for name, path in paths.items()}
        expected = {name: records for name, records in counts.items() if records is not None}
        return {name: paths[name] for name in expected}, expected

    def _read_clean(
        self, layout: _Layout, paths: dict[str, Path], expected: dict[str, int]
    ) -> set[str]:
        """Read the clean files at once and name the others."""
        if not paths or self._read_whole(layout, paths, expected):
            return set()
        if len(paths) == 1:
            return set(paths)
        others = self._not_clean(layout, paths)
        if others:
            rest = {name: path for name, path in paths.items() if name not in others}
            return others | self._read_clean(layout, rest, expected)
        # It cannot be told which they are: halves will tell.
        names = list(paths)
        middle = len(names) // 2
        halves = ({n: paths[n] for n in half} for half in (names[:middle], names[middle:]))
        return set().union(*(self._read_clean(layout, half, expected) for half in halves))

    def _read_whole(
        self, layout: _Layout, paths: dict[str, Path], expected: dict[str, int]
    ) -> bool:
        """Read clean files in one statement; False, with nothing read, if any line is not."""
        if self.task.kind == "csv" and not layout:
            return True
        relation = self._judged(self._whole_files(layout, paths), paths, keep_fields=False)
        clean = f"""
            select * exclude (line_number, reason, fields)
            from ({relation.query})
            where case when reason is null then true else error(reason) end
        """
        try:
            rows = self.output.write(Relation(clean, relation.parameters), self._floors(paths))
        except UnicodeDecodeError:
            # DuckDB quotes the line in its message, cut within a letter.
            return False
        except duckdb.Error as error:
            self._raise_if_machine_fault(error)
            return False
        if expected and rows != sum(expected[name] for name in paths):
            self.output.take_back()
            return False
        return True

    def _not_clean(self, layout: _Layout, paths: dict[str, Path]) -> set[str]:
        """Those files of some that have a line that is not clean, as far as can be told at once."""
        relation = self._judged(
            self._whole_files(layout, paths, ignore_errors=True), paths, keep_fields=False
        )
        query = f"select distinct source_file_id from ({relation.query}) where reason is not null"
        try:
            return {row[0] for row in self.con.execute(query, relation.parameters).fetchall()}
        except (UnicodeDecodeError, duckdb.Error):
            return set()

    def _whole_files(
        self, layout: _Layout, paths: dict[str, Path], *, ignore_errors: bool = False
    ) -> Relation:
        files = list(paths.values())
        if self.task.kind == "csv":
            return delimited.whole_files(self.shape, [name for name, _type in layout], files)
        if self.task.kind == "parquet":
            columns = parquet.columns_of(self.con, self.shape, files[0])
            return parquet.whole_files(self.shape, columns, files)
        return json_lines.whole_files(self.shape, files, ignore_errors=ignore_errors)

    def _raise_if_machine_fault(self, error: duckdb.Error) -> None:
        if self.task.kind == "parquet":
            parquet.raise_if_machine_fault(error)
        elif fault := fault_of_machine(error):
            raise CallbillError(fault) from error

    # --- line by line --------------------------------------------------------------------------

    def _read_rows(self, source_file_id: str, path: Path) -> None:
        """Read a Parquet file row by row."""
        lines = self.files[source_file_id].lines or _EVERY_LINE
        try:
            columns = parquet.columns_of(self.con, self.shape, path)
            rows = parquet.rows_of_file(self.shape, columns, path, source_file_id, lines.condition)
            self._judge(rows, [source_file_id])
        except duckdb.Error as error:
            self.unreadable[source_file_id] = str(parquet.as_unreadable(error, path))

    def _read_lines(self, layout: _Layout, paths: dict[str, Path]) -> None:
        """Read files of text line by line, judging many lines, of many files, together."""
        pending: list[tuple[str, Line]] = []
        size = 0
        for source_file_id, line in self._lines(layout, paths):
            self.lines_seen[source_file_id] += 1
            if isinstance(line, BadLine):
                self.bad_lines.append((source_file_id, line))
                continue
            pending.append((source_file_id, line))
            size += sum(map(len, line.values))
            if size > _TEXT_AT_ONCE:
                self._judge_lines(layout, pending)
                pending, size = [], 0
        if pending:
            self._judge_lines(layout, pending)

    def _lines(
        self, layout: _Layout, paths: dict[str, Path]
    ) -> Iterator[tuple[str, Line | BadLine]]:
        header = [name for name, _type in layout]
        drops_empty = self.feed.drops_rows_without_value and self.task.kind == "csv"
        for source_file_id, path in paths.items():
            wanted = self.files[source_file_id].lines or _EVERY_LINE
            with path.open("rb") as stream:
                for line in (
                    delimited.csv_records(stream, header)
                    if self.task.kind == "csv"
                    else json_lines.json_lines(stream)
                ):
                    is_empty = isinstance(line, Line) and not any(line.values)
                    if line.number in wanted and not (drops_empty and is_empty):
                        yield source_file_id, line

    def _judge_lines(self, layout: _Layout, pending: Sequence[tuple[str, Line]]) -> None:
        """Judge lines of text."""
        # Numbered, so that no column of a file is taken for one of ours.
        columns = {name: f"value_{n}" for n, (name, _type) in enumerate(layout)}
        self._register_lines(list(columns.values()) or ["line"], pending)
        source_file_ids = list(dict.fromkeys(name for name, _line in pending))
        if self.task.kind == "csv":
            texts = texts_of_columns(self.shape, {name: Column(c) for name, c in columns.items()})
            lines = f"select {texts}, source_file_id, line_number from lines_read"
        else:
            lines = f"""
                select {json_lines.texts_of_values(self.shape)}, source_file_id, line_number
                from (
                    select source_file_id, line_number, {json_lines.values_of_line(self.shape)}
                    from ({self._objects()})
                )
            """
        self._judge(Relation(lines), source_file_ids)

    def _register_lines(self, columns: Sequence[str], pending: Sequence[tuple[str, Line]]) -> None:
        """Have lines as the table `lines_read`."""
        import polars  # a tenth of a second that clean files need not pay

        frame = polars.DataFrame(
            {name: [line.values[n] for _file, line in pending] for n, name in enumerate(columns)},
            schema_overrides=dict.fromkeys(columns, polars.String),
        ).with_columns(
            polars.Series("source_file_id", [name for name, _line in pending], polars.String),
            polars.Series("line_number", [line.number for _file, line in pending], polars.Int64),
        )
        # By Arrow, not by a file: the engine remembers what a file of that name held. A table, and
        # no view of the stream: where pyarrow is installed the engine hands filters to it, which
        # cannot read strings of this kind.
        self.con.register("lines_stream", _ArrowStream(frame))
        try:
            self.con.execute("create or replace temp table lines_read as from lines_stream")
        finally:
            self.con.unregister("lines_stream")

    def _objects(self) -> str:
        """SQL for the lines of JSON that are objects which can be read; the others are rejected."""
        self._reject_faults("lines_read", "line")
        objects = """
            from lines_read
            semi join (from lines_judged where fault is null) using (source_file_id, line_number)
        """
        return self._items(objects) if self.feed.has_pages else objects

    def _reject_faults(self, table: str, whole_line: str) -> None:
        """Judge `line` of a table; a line that has a fault is rejected as a whole."""
        self.con.execute(
            f"""
            create or replace temp table lines_judged as
            select source_file_id, line_number,
                case when line is null then 'no_items'
                    else {json_lines.fault_of_line(self.shape)} end as fault,
                strlen({whole_line}) as line_length,
                case when fault is not null then sha256({whole_line}) end as line_sha256
            from {table}
            """
        )
        self.con.execute(
            """
            insert into rejects (source_file_id, line_number, reason, line_length, line_sha256)
            select source_file_id, line_number, min(fault), any_value(line_length),
                any_value(line_sha256)
            from lines_judged where fault is not null
            group by source_file_id, line_number
            """
        )

    def _items(self, objects: str) -> str:
        """SQL for what lines hold that can hold several items. One that holds none is as a blank
        line; one that cannot be taken apart is rejected."""
        self.con.execute(
            f"create or replace temp table pages as {pages_query(self.shape, f'({objects})')}"
        )
        for source_file_id, pages in self.con.execute(
            "select source_file_id, count(*) from pages where len(items) = 0 group by all"
        ).fetchall():
            self.lines_seen[source_file_id] -= pages
        self.con.execute(
            """
            create or replace temp table items as
            select source_file_id, line_number, line as whole_line,
                unnest(coalesce(items, [null]))::varchar as line
            from pages
            """
        )
        self._reject_faults("items", "whole_line")
        return """
            from items
            anti join (from lines_judged where fault is not null)
                using (source_file_id, line_number)
        """

    # --- judging -------------------------------------------------------------------------------

    def _judge(self, texts: Relation, source_file_ids: Sequence[str]) -> None:
        """Keep the records that are accepted, and the reasons for the others. A line that holds
        several is accepted if all of them are."""
        judged = self._judged(texts, source_file_ids, keep_fields=True)
        self.con.execute(
            f"create or replace temp table judged as {judged.query}", judged.parameters
        )
        for name in source_file_ids:
            rejected = self.files[name].rejected
            if rejected:
                self.con.execute(
                    "update judged set reason = 'rejected_when_first_loaded'"
                    f" where reason is null and source_file_id = ? and {rejected.condition}",
                    [name],
                )
        self.con.execute(
            """
            insert into rejects (source_file_id, line_number, reason, fields)
            select distinct on (source_file_id, line_number)
                source_file_id, line_number, reason, fields
            from judged where reason is not null
            order by source_file_id, line_number, reason, fields
            """
        )
        self.output.keep_accepted(self._floors(source_file_ids))

    def _judged(
        self, texts: Relation, source_file_ids: Iterable[str], *, keep_fields: bool
    ) -> Relation:
        """The judging query over texts, with what is known of their files."""
        files = [self.files[name] for name in source_file_ids]
        dates = {(file.arrived_on, file.settlement_floor) for file in files}
        if len(dates) == 1:
            [(arrived_on, floor)] = dates
            known = (
                f"(select date '{arrived_on}' as arrived_on, date '{floor}' as settlement_floor)"
            )
            source = f"select * from ({texts.query}) cross join {known}"
        else:
            values = ", ".join(
                f"({literal(file.source_file_id)}, date '{file.arrived_on}',"
                f" date '{file.settlement_floor}')"
                for file in files
            )
            source = f"""
                select *
                from ({texts.query})
                inner join (values {values}) as f (source_file_id, arrived_on, settlement_floor)
                    using (source_file_id)
            """
        query = judging_query(
            self.shape, source, self.zone, self.task.reading_rules, keep_fields=keep_fields
        )
        return Relation(query, texts.parameters)

    def _floors(self, source_file_ids: Iterable[str]) -> set[date]:
        return {self.files[name].settlement_floor for name in source_file_ids}


class _Output:
    """What a task writes: parts of accepted records, and what was rejected."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, task: ReadTask, is_partitioned: bool
    ) -> None:
        self.con = con
        self.folder = task.folder
        self.name = task.name
        self.names = [file.source_file_id for file in task.files]
        self.display_names = {file.source_file_id: file.name for file in task.files}
        self.is_partitioned = is_partitioned
        self.parts: list[Path] = []
        self.parts_begun = 0
        con.execute(
            """
            create or replace temp table rejects (
                source_file_id varchar, line_number bigint, reason varchar, detail varchar,
                fields varchar, line_length bigint, line_sha256 varchar
            )
            """
        )
        con.execute("drop table if exists temp.accepted")

    def keep_accepted(self, floors: set[date]) -> None:
        """Keep what was accepted of the table `judged`."""
        if self.is_partitioned:
            accepted = (
                "select * exclude (line_number, reason, fields) from judged where reason is null"
            )
            self.write(Relation(accepted), floors)
            return
        self.con.execute(
            "create temp table if not exists accepted as"
            " select * exclude (reason) from judged limit 0"
        )
        self.con.execute(
            "insert into accepted by name select * exclude (reason) from judged"
            " anti join (from judged where reason is not null) using (source_file_id, line_number)"
        )

    def write(self, accepted: Relation, floors: set[date]) -> int:
        """Write accepted records into folders by settlement floor, and count them."""
        self.parts_begun += 1
        part = self._part
        query = accepted.query
        if len(floors) == 1:
            folder = self.folder / f"settlement_floor={next(iter(floors))}"
            folder.mkdir(parents=True, exist_ok=True)
            target = f"{literal(str(folder / f'{part}.parquet'))} ({_PARQUET_OUT})"
            query = f"select * exclude (settlement_floor) from ({query})"
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            target = (
                f"{literal(str(self.folder))} ({_PARQUET_OUT}, partition_by (settlement_floor),"
                f" overwrite_or_ignore true, filename_pattern {literal(part + '_{i}')})"
            )
        [(rows,)] = self.con.execute(f"copy ({query}) to {target}", accepted.parameters).fetchall()
        if rows:
            self.parts += sorted(self.folder.glob(f"*/{part}*.parquet"))
        return int(rows)

    def take_back(self) -> None:
        """Take back what was written last."""
        self.parts = [path for path in self.parts if not path.name.startswith(self._part)]

    @property
    def _part(self) -> str:
        return f"{self.name}-{self.parts_begun - 1:03d}"

    def finish(
        self,
        bad_lines: Sequence[tuple[str, BadLine]],
        unreadable: dict[str, str],
        lines_seen: Counter[str],
    ) -> ReadOutcome:
        """Count what was accepted where it was written, and write the rejects."""
        outcome = ReadOutcome()
        accepted = self._count_accepted()
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
        for name in self.names:
            file = FileOutcome(accepted.get(name, 0), rejected.get(name, 0), unreadable.get(name))
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
        return outcome

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
        # A line of a bill can hold several items; a record of a call log is a line.
        counted = "count(*)" if self.is_partitioned else "count(distinct line_number)"
        files = ", ".join(literal(str(part)) for part in self.parts)
        return dict(
            self.con.execute(
                f"select source_file_id, {counted} from read_parquet([{files}],"
                " hive_partitioning = false) group by all"
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
    """Insert rows; one statement for many, since one per row would take a millisecond each."""
    for start in range(0, len(rows), 500):
        some = rows[start : start + 500]
        values = ", ".join(f"({', '.join('?' * len(row))})" for row in some)
        con.execute(f"insert into {target} values {values}", [v for row in some for v in row])


class _ArrowStream:
    """A frame as Arrow, which DuckDB reads as it lies in memory."""

    def __init__(self, frame: object) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)  # type: ignore[attr-defined]
