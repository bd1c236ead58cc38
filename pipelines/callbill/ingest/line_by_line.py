"""Reads files line by line: files with any fault or oddity, and all files of feeds with few lines.

Python splits text files into lines. DuckDB then judges many lines of many files in one statement.
Parquet files are read row by row by DuckDB itself, small ones together. Which files go this way is
decided in `reading`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb

from callbill.ingest.judge import Judge
from callbill.ingest.readers import delimited, json_lines, parquet
from callbill.ingest.readers.csv_layout import CsvLayout
from callbill.ingest.readers.field_texts import Column, texts_of_columns
from callbill.ingest.readers.lines import BadLine, Line, UnreadableFileError
from callbill.ingest.relation import Relation
from callbill.ingest.shapes import Shape
from callbill.ingest.templates import pages_query
from callbill.warehouse.loads import LineSelection

_TEXT_AT_ONCE = 16 * 1024 * 1024
# Of Parquet, which takes several times as much room once it is read.
_BYTES_AT_ONCE = 2 * 1024 * 1024
_EVERY_LINE = LineSelection(frozenset(), only=False)


class LineReader:
    """Reads a task's files line by line."""

    def __init__(self, con: duckdb.DuckDBPyConnection, judge: Judge) -> None:
        self.con = con
        self.feed = judge.shape.feed
        self.files = judge.files
        self.judge = judge
        self.bad_lines: list[tuple[str, BadLine]] = []
        # The number of lines read of each file. `Output.finish` compares the outcome with it.
        self.lines_seen: Counter[str] = Counter()

    @property
    def shape(self) -> Shape:
        return self.judge.shape

    def add_bad_lines(self, source_file_id: str, bad_lines: Sequence[BadLine]) -> None:
        """Count lines that were rejected before. They are blank in what was read."""
        self.bad_lines += [(source_file_id, line) for line in bad_lines]
        if source_file_id in self.lines_seen:
            self.lines_seen[source_file_id] += len(bad_lines)

    def read_rows(self, paths: dict[str, Path]) -> dict[str, str]:
        """Read Parquet files of one schema row by row. The result says of files that cannot be
        read why.

        Raises CallbillError for a fault of the machine.
        """
        unreadable: dict[str, str] = {}
        for condition, some in self._read_together(paths):
            try:
                self._judge_rows(some, condition)
            except UnreadableFileError as error:
                if len(some) == 1:
                    unreadable |= dict.fromkeys(some, str(error))
                    continue
                # Nothing says which of them it is.
                for source_file_id, path in some.items():
                    unreadable |= self.read_rows({source_file_id: path})
        return unreadable

    def _read_together(self, paths: dict[str, Path]) -> Iterator[tuple[str, dict[str, Path]]]:
        """Small files of which the same lines are read, and the condition on these. To plan a
        statement takes longer than to read such a file."""
        groups: defaultdict[str, dict[str, Path]] = defaultdict(dict)
        sizes: Counter[str] = Counter()
        for source_file_id, path in paths.items():
            condition = (self.files[source_file_id].lines or _EVERY_LINE).condition
            groups[condition][source_file_id] = path
            sizes[condition] += path.stat().st_size
            if sizes[condition] > _BYTES_AT_ONCE:
                yield condition, groups.pop(condition)
                del sizes[condition]
        yield from groups.items()

    def _judge_rows(self, paths: dict[str, Path], condition: str) -> None:
        """Judge the rows of Parquet files that meet a condition. Raises UnreadableFileError if one
        of the files cannot be read."""
        first = next(iter(paths.values()))
        try:
            columns = parquet.columns_of(self.con, self.shape, first)
            rows = parquet.rows_of_files(self.shape, columns, list(paths.values()), condition)
            self.judge.judge(rows, list(paths))
        except duckdb.Error as error:
            raise parquet.as_unreadable(error, first) from error

    def read_lines(
        self, kind: str, layout: CsvLayout, header: Sequence[str], paths: dict[str, Path]
    ) -> None:
        """Read text files of one kind. CSV files must all have the same layout and header."""
        pending: list[tuple[str, Line]] = []
        size = 0
        for source_file_id, line in self._lines(kind, layout, paths):
            self.lines_seen[source_file_id] += 1
            if isinstance(line, BadLine):
                self.bad_lines.append((source_file_id, line))
                continue
            pending.append((source_file_id, line))
            size += sum(map(len, line.values))
            if size > _TEXT_AT_ONCE:
                self._judge_lines(kind, header, pending)
                pending, size = [], 0
        if pending:
            self._judge_lines(kind, header, pending)

    def _lines(
        self, kind: str, layout: CsvLayout, paths: dict[str, Path]
    ) -> Iterator[tuple[str, Line | BadLine]]:
        drops_empty = self.feed.drops_rows_without_value and kind == "csv"
        for source_file_id, path in paths.items():
            wanted = self.files[source_file_id].lines or _EVERY_LINE
            with path.open("rb") as stream:
                for line in (
                    delimited.csv_records(stream, layout)
                    if kind == "csv"
                    else json_lines.json_lines(stream, self.shape.reading_rules)
                ):
                    is_empty = isinstance(line, Line) and not any(line.values)
                    if line.number in wanted and not (drops_empty and is_empty):
                        yield source_file_id, line

    def _judge_lines(
        self, kind: str, header: Sequence[str], pending: Sequence[tuple[str, Line]]
    ) -> None:
        """Judge lines of text."""
        # Numbered names, so that a file's column cannot have the name of one of ours.
        columns = {name: f"value_{n}" for n, name in enumerate(header)}
        if kind == "csv":
            self._register_lines(list(columns.values()), pending)
        else:
            self._register_lines(["line", "whole_line"], self._with_known_keys(pending))
        source_file_ids = list(dict.fromkeys(name for name, _line in pending))
        if kind == "csv":
            texts = texts_of_columns(self.shape, {name: Column(c) for name, c in columns.items()})
            lines = f"select {texts}, source_file_id, line_number from lines_read"
        else:
            lines = f"""
                select {json_lines.texts_of_values(self.shape)}, source_file_id, line_number
                from (
                    select source_file_id, line_number, {json_lines.values_of_line(self.shape)}
                    from ({self._readable_objects()})
                )
            """
        self.judge.judge(Relation(lines), source_file_ids)

    def _with_known_keys(self, pending: Iterable[tuple[str, Line]]) -> list[tuple[str, Line]]:
        """Lines of JSON as two texts: with the keys that the shape knows, and as they are."""
        odd_key = (
            re.compile(json_lines.odd_key_pattern(self.shape))
            if self.shape.reading_rules >= 2
            else None
        )
        two_texts = []
        for source_file_id, line in pending:
            [text] = line.values
            known = text
            if odd_key is not None and odd_key.search(text):
                known = json_lines.with_known_keys(self.shape, text)
            two_texts.append((source_file_id, Line(line.number, (known, text))))
        return two_texts

    def _register_lines(self, columns: Sequence[str], pending: Sequence[tuple[str, Line]]) -> None:
        """Create the table `lines_read` from lines."""
        import polars  # here, because it takes a tenth of a second and clean files do not need it

        frame = polars.DataFrame(
            {name: [line.values[n] for _file, line in pending] for n, name in enumerate(columns)},
            schema_overrides=dict.fromkeys(columns, polars.String),
        ).with_columns(
            polars.Series("source_file_id", [name for name, _line in pending], polars.String),
            polars.Series("line_number", [line.number for _file, line in pending], polars.Int64),
        )
        # Through Arrow and not a file, because DuckDB caches what a file of that name held. Into a
        # table, because on a view of the stream DuckDB would push filters into pyarrow, if that is
        # installed, and pyarrow cannot filter strings of this kind.
        self.con.register("lines_stream", _ArrowStream(frame))
        try:
            self.con.execute("create or replace temp table lines_read as from lines_stream")
        finally:
            self.con.unregister("lines_stream")

    def _readable_objects(self) -> str:
        """SQL for the lines that are readable JSON objects. The other lines are rejected."""
        self._reject_faults("lines_read", "whole_line")
        objects = """
            from lines_read
            semi join (from lines_judged where fault is null) using (source_file_id, line_number)
        """
        return self._items(objects) if self.feed.has_pages else objects

    def _reject_faults(self, table: str, whole_line: str) -> None:
        """Reject the lines of a table whose column `line` has a fault. The reject keeps length and
        hash of `whole_line`."""
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
        """SQL for the items that lines hold. A line without items counts as a blank line. A line
        that cannot be unpacked is rejected."""
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
            select source_file_id, line_number, whole_line,
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


class _ArrowStream:
    """A frame as an Arrow stream, which DuckDB reads without a copy."""

    def __init__(self, frame: object) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)  # type: ignore[attr-defined]
