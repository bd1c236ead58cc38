"""Reading files of one feed, shape and kind into typed Parquet: whole, or line by line.

Clean files of many records are read whole, at the engine's speed. A file that has anything odd in
it is read line by line. Both ways give the same texts to the feed's one judge.sql, so that a line
does not depend on its neighbours. Which way a file goes is decided here, and only here.

What is read lies aside, under names of its own, until it is committed (`committing`). Nothing here
knows the warehouse: a task says all there is to know, and can be run anywhere.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb

from callbill.base.errors import CallbillError
from callbill.base.machine import fault_of_machine
from callbill.ingest.judge import Judge
from callbill.ingest.line_by_line import LineReader
from callbill.ingest.output import Output
from callbill.ingest.read_task import FileToRead, ReadOutcome, ReadTask
from callbill.ingest.readers import delimited, json_lines, parquet
from callbill.ingest.readers.document import document_as_line
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.readers.unpacking import decompress
from callbill.ingest.relation import Relation
from callbill.ingest.shapes import shape_of
from callbill.warehouse.loads import ALL_LINES


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
        self.files = {file.source_file_id: file for file in task.files}
        self.unreadable: dict[str, str] = {}
        self.output = Output(con, task, self.feed.kept_as == "parquet")
        self.judge = Judge(con, task, self.shape, self.output)
        self.lines = LineReader(con, task, self.judge)

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
        return self.output.finish(self.lines.bad_lines, self.unreadable, self.lines.lines_seen)

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
                try:
                    self.lines.read_rows(source_file_id, path)
                except UnreadableFileError as error:
                    self.unreadable[source_file_id] = str(error)
        else:
            self.lines.read_lines([name for name, _type in layout], careful)

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
        relation = self.judge.judged(self._whole_files(layout, paths), paths, keep_fields=False)
        clean = f"""
            select * exclude (line_number, reason, fields)
            from ({relation.query})
            where case when reason is null then true else error(reason) end
        """
        try:
            rows = self.output.write(Relation(clean, relation.parameters), self.judge.floors(paths))
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
        relation = self.judge.judged(
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
