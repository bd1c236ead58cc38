"""Reads files of one feed, shape and kind into typed Parquet files: whole, or line by line.

DuckDB reads clean files of feeds with many records whole, many in one statement. A file with any
fault or oddity is read line by line (`line_by_line`). Both ways give the same texts to the feed's
one judge.sql, so a line's verdict does not depend on its neighbours. Only this module decides which
way a file goes.

It does not know the warehouse. It writes into the task's folder, and `committing` commits that.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

import duckdb

from callbill.base.errors import CallbillError
from callbill.base.machine import machine_fault
from callbill.ingest.feed import attribute_field
from callbill.ingest.judge import Judge
from callbill.ingest.line_by_line import LineReader
from callbill.ingest.output import Output
from callbill.ingest.read_task import FileToRead, OtherContentError, ReadOutcome, ReadTask
from callbill.ingest.readers import delimited, json_files, json_lines, parquet
from callbill.ingest.readers.csv_layout import CsvLayout
from callbill.ingest.readers.lines import BadLine, UnreadableFileError
from callbill.ingest.readers.opening import Plain, open_plain
from callbill.ingest.readers.parquet_pages import check_pages
from callbill.ingest.relation import Relation
from callbill.ingest.shapes import shape_of
from callbill.ingest.templates import attribute_value, identifier_rules
from callbill.storage.archives import DamagedArchiveError
from callbill.storage.folder import at_hand, digest_of
from callbill.warehouse.loads import ALL_LINES, SHA256_LENGTH


def read_files(con: duckdb.DuckDBPyConnection, task: ReadTask) -> ReadOutcome:
    """Read all files of a task.

    Raises FileNotFoundError if a file has vanished, OtherContentError if it is not what was listed
    and the task says to look, CallbillError if the machine cannot go on or if a line was neither
    accepted nor rejected.
    """
    shutil.rmtree(task.scratch, ignore_errors=True)  # a killed run can leave one
    task.scratch.mkdir(parents=True)
    try:
        return _Reading(con, task).read()
    finally:
        shutil.rmtree(task.scratch, ignore_errors=True)


@dataclass(frozen=True)
class _Layout:
    """What one statement can read: files of one kind, with the same columns. `columns` are those of
    a CSV header under the shape's names, or of a Parquet file, with their types. Files that are
    `is_flat` were written out by the shape's paths. Those `only_by_line` are not read whole."""

    kind: str
    columns: tuple[tuple[str, str], ...] = ()
    csv: CsvLayout = field(default_factory=CsvLayout)
    is_flat: bool = False
    only_by_line: bool = False

    @property
    def names(self) -> list[str]:
        return [name for name, _type in self.columns]


class _Reading:
    """The state of reading one task."""

    def __init__(self, con: duckdb.DuckDBPyConnection, task: ReadTask) -> None:
        self.con = con
        self.task = task
        self.task_shape = shape_of(task.feed, task.shape, task.reading_rules, task.declaration)
        self.shape = self.task_shape
        self.feed = self.shape.feed
        self.files = {file.source_file_id: file for file in task.files}
        self.unreadable: dict[str, str] = {}
        self.output = Output(con, task, self.feed.kept_as == "parquet")
        self.judge = Judge(con, task, self.shape, self.output)
        self.lines = LineReader(con, self.judge)
        self.bad_lines: dict[str, list[BadLine]] = {}
        self.fetching = Lock()

    def read(self) -> ReadOutcome:
        layouts: dict[_Layout, dict[str, Path]] = {}
        for source_file_id, plain in self._opened():
            try:
                layout, path = self._layout(plain)
                layouts.setdefault(layout, {})[source_file_id] = path
                self.bad_lines[source_file_id] = self._wanted(source_file_id, plain.bad_lines)
            except UnreadableFileError as error:
                self.unreadable[source_file_id] = str(error)
        for layout, paths in layouts.items():
            self._use_shape(layout)
            self._read_alike(layout, paths)
        for source_file_id, bad_lines in self.bad_lines.items():
            if source_file_id not in self.unreadable:
                self.lines.add_bad_lines(source_file_id, bad_lines)
        return self.output.finish(self.lines.bad_lines, self.unreadable, self.lines.lines_seen)

    def _opened(self) -> Iterator[tuple[str, Plain]]:
        """Each file's plain content, under a path that is safe in every statement."""
        # Unpacking releases the interpreter, so two threads take half the time.
        with ThreadPoolExecutor(max_workers=2) as pool:
            plain = {
                source_file_id: pool.submit(self._open, file)
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

    def _open(self, file: FileToRead) -> Plain:
        with self.fetching:  # files of one archive are in one object
            source = at_hand(file.path, self.task.scratch / "fetched")
        if self.task.check_content:
            _check_content(file, source)
        return open_plain(
            source,
            file.member,
            self.task.kind,
            file.compression,
            self.shape,
            self.task.scratch / file.source_file_id,
            is_known=file.rejected is not None,
        )

    def _wanted(self, source_file_id: str, lines: list[BadLine]) -> list[BadLine]:
        wanted = self.files[source_file_id].lines
        return [line for line in lines if wanted is None or line.number in wanted]

    def _layout(self, plain: Plain) -> tuple[_Layout, Path]:
        """A file's layout, and the path to read it from. Raises UnreadableFileError."""
        kind, path = plain.kind, plain.path
        if kind == "csv":
            layout, names = delimited.read_layout(path, self.shape)
            # Files of which only the names of the columns differ are read alike.
            alike = replace(layout, names=("",) * len(names))
            return _Layout(kind, tuple((name, "VARCHAR") for name in names), alike), path
        if kind == "json":
            only_by_line = False
            if self.shape.reading_rules >= 2:
                json_lines.check_encoding(path)
                only_by_line = json_files.begins_with_blank(path)
            is_flat = plain.shape != self.shape
            return _Layout(kind, is_flat=is_flat, only_by_line=only_by_line), path
        check_pages(path, checksums=self.shape.reading_rules >= 2)
        schema = parquet.schema_of(self.con, path)
        if self.shape.reading_rules >= 2:
            parquet.check_columns(self.con, self.shape, path)
        copy = parquet.copy_without_added_columns(
            self.con, path, schema, path.parent / "copies" / path.name
        )
        return _Layout(kind, schema if copy == path else parquet.schema_of(self.con, copy)), copy

    def _use_shape(self, layout: _Layout) -> None:
        """Read what follows by the shape that its layout has."""
        self.shape = self.judge.shape = self.task_shape.flat if layout.is_flat else self.task_shape

    def _read_alike(self, layout: _Layout, paths: dict[str, Path]) -> None:
        """Read files of one layout: clean ones whole, the others line by line."""
        by_line = dict(paths)
        must_be_by_line = layout.only_by_line or any(
            file.is_judged_by_line for file in self.files.values()
        )
        if self.feed.read_whole and not must_be_by_line:
            if self._read_at_once(layout, paths):
                return
            candidates, expected = self._candidates_for_whole_reading(layout, paths)
            unclean = self._read_clean(layout, candidates, expected)
            by_line = {
                name: path
                for name, path in paths.items()
                if name in unclean or name not in candidates
            }
        if layout.kind == "parquet":
            self.unreadable |= self.lines.read_rows(by_line)
        else:
            self.lines.read_lines(layout.kind, layout.csv, layout.names, by_line)

    # --- whole files ---------------------------------------------------------------------------

    def _read_at_once(self, layout: _Layout, paths: dict[str, Path]) -> bool:
        """Read JSON files without looking at their keys before, if their first lines show what keys
        there are. Returns False, with nothing kept, if one is not clean or has others."""
        if layout.kind != "json" or not paths:
            return False
        key_lists = json_files.first_key_lists(self.shape, list(paths.values()))
        return key_lists is not None and self._read_whole(layout, paths, {}, key_lists)

    def _candidates_for_whole_reading(
        self, layout: _Layout, paths: dict[str, Path]
    ) -> tuple[dict[str, Path], dict[str, int]]:
        """The files that DuckDB may read whole, and the number of records that it must find in
        each, where Python can count them beforehand."""
        if layout.kind == "json" and self.shape.reading_rules >= 2:
            odd = json_files.odd_files(self.con, self.shape, list(paths.values()))
            return {name: path for name, path in paths.items() if str(path) not in odd}, {}
        if layout.kind != "csv":
            return paths, {}
        if layout.columns and not layout.csv.is_usual:
            return {}, {}
        counts = {
            name: delimited.count_unambiguous_records(path, len(layout.columns))
            for name, path in paths.items()
        }
        expected = {name: records for name, records in counts.items() if records is not None}
        return {name: paths[name] for name in expected}, expected

    def _read_clean(
        self, layout: _Layout, paths: dict[str, Path], expected: dict[str, int]
    ) -> set[str]:
        """Read the clean files whole, and return the others."""
        if not paths or self._read_whole(layout, paths, expected):
            return set()
        if len(paths) == 1:
            return set(paths)
        unclean = self._find_unclean(layout, paths)
        if unclean:
            rest = {name: path for name, path in paths.items() if name not in unclean}
            return unclean | self._read_clean(layout, rest, expected)
        # No query can name the unclean files, so try each half by itself.
        names = list(paths)
        middle = len(names) // 2
        halves = ({n: paths[n] for n in half} for half in (names[:middle], names[middle:]))
        return set().union(*(self._read_clean(layout, half, expected) for half in halves))

    def _read_whole(
        self,
        layout: _Layout,
        paths: dict[str, Path],
        expected: dict[str, int],
        key_lists: json_files.KeyLists | None = None,
    ) -> bool:
        """Read files in one statement. If any line is not clean, keep nothing and return False."""
        if layout.kind == "csv" and not layout.columns:
            return True
        relation = self.judge.judged(
            self._with_oddities(
                self._whole_files(layout, paths, key_lists),
                self._checked_when_read(),
                is_json=layout.kind == "json",
            ),
            paths,
            keep_fields=False,
            are_plain=True,
        )
        clean = f"""
            select * exclude (line_number, reason, fields, cleaned)
            from ({relation.query})
            where case when reason is null then true else error(reason) end
        """
        try:
            rows = self.output.write(Relation(clean, relation.parameters), self.judge.floors(paths))
        except UnicodeDecodeError:
            # DuckDB's message quotes the line, and can cut it within a UTF-8 character.
            return False
        except duckdb.Error as error:
            self._raise_if_machine_fault(layout, error)
            return False
        counts_agree = not expected or rows == sum(expected[name] for name in paths)
        if counts_agree and not self.output.last_part_has(self._oddities_when_written(layout)):
            return True
        self.output.discard_last_part()
        return False

    def _checked_when_read(self) -> list[str]:
        later = self.shape.checked_when_written
        return [name for name in self.feed.identifiers if name not in later]

    def _oddities_when_written(self, layout: _Layout) -> list[str]:
        """SQL conditions that no written record may meet. If one does, identifiers must be cleaned
        or values have no texts of their own, and the file is read line by line."""
        kinds = self.feed.identifiers
        oddities = []
        values = {
            attribute_field(name): attribute_value("attributes", name)
            for name in self.shape.attributes
        }
        for name in self.shape.checked_when_written:
            value = values.get(name, name)
            if name in kinds:
                oddity = f"not {identifier_rules().is_plain(value, kinds[name])}"
                # Not every record has each attribute.
                oddities.append(f"{value} is not null and {oddity}" if name in values else oddity)
            if layout.kind == "json":
                oddities.append(json_files.may_be_no_text(value))
        return oddities

    def _oddity(self, name: str, *, is_json: bool) -> str:
        """SQL for whether a text is not the identifier that it is read as. The usual ones are found
        by one pattern."""
        rules, kind = identifier_rules(), self.feed.identifiers[name]
        oddity = f"({name} is not null and not {rules.is_plain(name, kind)})"
        usual = rules.is_usual(name, kind)
        if is_json:
            oddity += f" or {json_files.may_be_no_text(name)}"
        return f"case when {usual} then false else {oddity} end"

    def _with_oddities(
        self, texts: Relation, names: Collection[str], *, is_json: bool = False
    ) -> Relation:
        """Records with an `odd_field` if one of these identifiers is not as it counts."""
        if self.shape.reading_rules < 2 or not names:
            return texts
        odd = " or ".join(self._oddity(name, is_json=is_json) for name in names)
        query = f"""
            select * replace (
                case when odd_field is not null then odd_field when {odd} then 'value' end
                as odd_field
            )
            from ({texts.query})
        """
        return Relation(query, texts.parameters)

    def _find_unclean(self, layout: _Layout, paths: dict[str, Path]) -> set[str]:
        """The files with a line that is not clean, as far as one query can find them."""
        relation = self.judge.judged(
            self._with_oddities(
                self._whole_files(layout, paths, ignore_errors=True),
                self.feed.identifiers,
                is_json=layout.kind == "json",
            ),
            paths,
            keep_fields=False,
            are_plain=True,
        )
        query = f"select distinct source_file_id from ({relation.query}) where reason is not null"
        try:
            return {row[0] for row in self.con.execute(query, relation.parameters).fetchall()}
        except (UnicodeDecodeError, duckdb.Error):
            return set()

    def _whole_files(
        self,
        layout: _Layout,
        paths: dict[str, Path],
        key_lists: json_files.KeyLists | None = None,
        *,
        ignore_errors: bool = False,
    ) -> Relation:
        files = list(paths.values())
        if layout.kind == "csv":
            return delimited.whole_files(self.shape, layout.names, files)
        if layout.kind == "parquet":
            columns = parquet.columns_of(self.con, self.shape, files[0])
            return parquet.whole_files(self.shape, columns, files)
        return json_files.whole_files(self.shape, files, key_lists, ignore_errors=ignore_errors)

    def _raise_if_machine_fault(self, layout: _Layout, error: duckdb.Error) -> None:
        if layout.kind == "parquet":
            parquet.raise_if_machine_fault(error)
        elif fault := machine_fault(error):
            raise CallbillError(fault) from error


def _check_content(file: FileToRead, source: Path) -> None:
    """Raises OtherContentError if what is about to be read is not what was listed, and OSError."""
    try:
        sha256 = digest_of(source, file.member)
    except DamagedArchiveError:
        sha256 = ""
    if sha256 != file.source_file_id[:SHA256_LENGTH]:
        raise OtherContentError(
            f"worker {socket.gethostname()} sees another content of {file.name} than was listed"
        )
