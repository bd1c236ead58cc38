"""Loading one batch of files: reading them, whole or line by line, and committing what was read.

A file's records, its rejects and its manifest row are committed together.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from callbill.base.errors import CallbillError
from callbill.base.machine import fault_of_machine
from callbill.base.settings import BillingVars, Settings
from callbill.base.sql import identifier, literal
from callbill.ingest import lines
from callbill.ingest.landing import LandingFile, Skipped
from callbill.ingest.queries import validation_query
from callbill.ingest.shapes import (
    Column,
    fault_of_line,
    items_of_line,
    json_columns,
    shape_of,
    texts_of_columns,
    texts_of_json,
    texts_of_values,
    values_of_line,
)
from callbill.release.manifest import ALL_LINES, Lines
from callbill.warehouse.warehouse import finish_loads, loading_folder

if TYPE_CHECKING:
    import polars

# Each id is another: to try a dictionary on them is a sixth of the time it takes to write.
_PARQUET_OUT = (
    "format parquet, parquet_version v2, compression zstd, compression_level 1,"
    " dictionary_size_limit 10000"
)
_TEXT_AT_ONCE = 16 * 1024 * 1024

# Parquet types whose text is not a field's text.
_ODD_TYPES = ("STRUCT", "MAP", "JSON", "BOOLEAN", "BLOB", "BIT", "INTERVAL", "UNION")

# Columns that DuckDB adds to what it reads: a file's own of these names would be in their way.
_ADDED_COLUMNS = {"filename", "file_row_number"}


@dataclass(frozen=True)
class Incoming:
    """A file whose content is new, with the settlement floor it keeps for ever. Or some of its
    lines: those that were rejected are read again, or those that will be are left out. Of a file
    that a release names, what was rejected then stays rejected."""

    file: LandingFile
    source_file_id: str
    settlement_floor: date
    lines: Lines | None = None
    rejected: Lines | None = None

    @property
    def is_judged_by_line(self) -> bool:
        """Whether more decides on its lines than what they say."""
        return self.lines is not None or self.rejected is not None

    @property
    def key(self) -> tuple[str, str]:
        """What a file is known by: its feed and its content."""
        return self.file.feed, self.source_file_id


@dataclass
class LoadReport:
    """What a run's loading came to."""

    files: int = 0
    lines_read: int = 0
    accepted: int = 0
    rejected: int = 0
    unreadable_files: int = 0
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(frozen=True)
class Loader:
    """What every batch of a run shares."""

    con: duckdb.DuckDBPyConnection
    settings: Settings
    billing_vars: BillingVars
    run_id: str
    scratch: Path
    report: LoadReport


@dataclass(frozen=True)
class _Layout:
    """What files that one statement reads have in common: CSV headers, Parquet columns."""

    columns: tuple[tuple[str, str], ...] = ()


class BatchLoad:
    """The loading of files of one feed, shape and kind, up to their commit."""

    def __init__(self, loader: Loader, batch: Sequence[Incoming], name: str) -> None:
        self.loader = loader
        self.con = loader.con
        self.name = name
        self.files = {one.source_file_id: one for one in batch}
        self.feed = batch[0].file.feed
        self.kind = batch[0].file.kind.replace("document", "json")
        self.shape = shape_of(self.feed, batch[0].file.shape)
        self.folder = loading_folder(loader.settings)
        self.parts: list[Path] = []
        self.parts_begun = 0
        # Lines that were counted while they were read one by one, to hold the outcome against.
        self.lines_seen: Counter[str] = Counter()
        # Records that a file has to have, where that was counted beforehand.
        self.records_expected: dict[str, int] = {}
        self.bad_lines: list[tuple[str, lines.BadLine]] = []
        self.unreadable: dict[str, str] = {}
        self.con.execute(
            "create or replace temp table loading_rejects as "
            "select * exclude (feed, path, run_id) from ops.rejected_records where false"
        )
        if self.feed != "call_logs":
            self.con.execute(
                f"create or replace temp table loading_rows as from raw.{self.feed} where false"
            )

    # --- reading -------------------------------------------------------------------------------

    def read(self) -> None:
        """Read all files; what was read lies aside until `commit`."""
        layouts: dict[_Layout, dict[str, Path]] = {}
        # Unpacking leaves the interpreter alone: two at a time take half as long.
        with ThreadPoolExecutor(max_workers=2) as pool:
            plain = {
                source_file_id: pool.submit(self._plain, one)
                for source_file_id, one in self.files.items()
                if one.rejected != ALL_LINES
            }
        for source_file_id in self.files:
            if source_file_id not in plain:
                self.unreadable[source_file_id] = "was rejected whole when it was first loaded"
                continue
            try:
                path = plain[source_file_id].result()
                layout = self._layout(path)
                if self.kind == "parquet" and self._is_in_the_way(layout):
                    path = self._without_added_columns(path)
                    layout = self._layout(path)
                layouts.setdefault(layout, {})[source_file_id] = path
            except lines.UnreadableFileError as error:
                self.unreadable[source_file_id] = str(error)
        for layout, paths in layouts.items():
            self._read_alike(layout, paths)

    def _plain(self, one: Incoming) -> Path:
        """The file's plain content under a name that is safe in every statement."""
        target = self.loader.scratch / f"{one.source_file_id}.{one.file.kind}"
        if one.file.compression:
            lines.decompress(one.file.path, one.file.compression, target)
        else:
            target.symlink_to(one.file.path.resolve())
        if one.file.kind == "document":
            line = target.with_suffix(".line")
            lines.document_as_line(target, line)
            return line
        return target

    def _layout(self, path: Path) -> _Layout:
        if self.kind == "json":
            return _Layout()
        if self.kind == "csv":
            return _Layout(tuple((name, "VARCHAR") for name in lines.csv_header(path)))
        return _Layout(tuple(self._describe(path, "*")))

    def _is_in_the_way(self, layout: _Layout) -> bool:
        return any(name.lower() in _ADDED_COLUMNS for name, _type in layout.columns)

    def _without_added_columns(self, path: Path) -> Path:
        """A copy of a Parquet file, in its order, without columns that nobody maps."""
        folder = path.parent / "copies"
        folder.mkdir(exist_ok=True)
        names = [name for name, _ in self._layout(path).columns if name.lower() in _ADDED_COLUMNS]
        excluded = ", ".join(map(identifier, names))
        copy = folder / path.name
        self.con.execute("set preserve_insertion_order = true")
        try:
            self.con.execute(
                f"copy (select * exclude ({excluded}) from {_read_parquet()})"
                f" to {literal(str(copy))} (format parquet)",
                {"names": [str(path)]},
            )
        except duckdb.Error as error:
            raise _as_unreadable(error, path) from error
        finally:
            self.con.execute("set preserve_insertion_order = false")
        return copy

    def _describe(self, path: Path, what: str) -> list[tuple[str, str]]:
        """Names and types of what can be selected from a Parquet file."""
        try:
            rows = self.con.execute(
                f"describe select {what} from {_read_parquet()}", {"names": [str(path)]}
            ).fetchall()
        except duckdb.Error as error:
            raise _as_unreadable(error, path) from error
        return [(row[0], row[1]) for row in rows]

    def _columns(self, layout: _Layout, path: Path) -> dict[str, Column]:
        """How to refer to each path that the shape names: a column of that name, or a struct's."""
        if self.kind == "csv":
            return {name: Column(identifier(name)) for name, _type in layout.columns}
        columns = {}
        for wanted in self.shape.paths_and_parents:
            nested = ".".join(identifier(part) for part in wanted.split("."))
            for reference in (identifier(wanted), nested):
                try:
                    [(_name, type_)] = self._describe(path, reference)
                except lines.UnreadableFileError:
                    continue
                is_text = not (type_.startswith(_ODD_TYPES) or type_.endswith("]"))
                columns[wanted] = Column(reference, is_text)
                break
        return columns

    def _read_alike(self, layout: _Layout, paths: dict[str, Path]) -> None:
        """All files at once; those that are not clean line by line."""
        careful = paths
        if self.feed == "call_logs" and not any(
            one.is_judged_by_line for one in self.files.values()
        ):
            plain = {
                name: path for name, path in paths.items() if self._may_be_clean(layout, name, path)
            }
            not_clean = self._read_clean(layout, plain)
            careful = {n: path for n, path in paths.items() if n in not_clean or n not in plain}
        if self.kind == "parquet":
            for source_file_id, path in careful.items():
                self._read_rows(layout, source_file_id, path)
        elif careful:
            self._read_lines(layout, careful)

    def _may_be_clean(self, layout: _Layout, source_file_id: str, path: Path) -> bool:
        if self.kind != "csv":
            return True
        records = lines.plain_csv_records(path, len(layout.columns))
        if records is None:
            return False
        self.records_expected[source_file_id] = records
        return True

    def _read_clean(self, layout: _Layout, paths: dict[str, Path]) -> set[str]:
        """Load the clean files at once and name the others."""
        if not paths or self._read_whole(layout, paths):
            return set()
        if len(paths) == 1:
            return set(paths)
        others = self._not_clean(layout, paths)
        if others:
            rest = {name: path for name, path in paths.items() if name not in others}
            return others | self._read_clean(layout, rest)
        # It cannot be told which they are: halves will tell.
        names = list(paths)
        middle = len(names) // 2
        halves = ({n: paths[n] for n in half} for half in (names[:middle], names[middle:]))
        return set().union(*(self._read_clean(layout, half) for half in halves))

    def _read_whole(self, layout: _Layout, paths: dict[str, Path]) -> bool:
        """Load clean files in one statement; False, with nothing loaded, if any line is not."""
        if self.kind == "csv" and not layout.columns:
            return True
        clean = f"""
            select * exclude (line_number, reason, fields)
            from ({self._whole(layout, paths)})
            where case when reason is null then true else error(reason) end
        """
        try:
            rows = self._write_part(clean, {"names": [str(path) for path in paths.values()]}, paths)
        except UnicodeDecodeError:
            # DuckDB quotes the line in its message, cut within a letter.
            return False
        except duckdb.Error as error:
            _raise_if_machine_fault(error, self.kind)
            return False
        if self.kind == "csv" and rows != sum(self.records_expected[name] for name in paths):
            self._drop_part()
            return False
        return True

    def _not_clean(self, layout: _Layout, paths: dict[str, Path]) -> set[str]:
        """Those files of some that have a line that is not clean, as far as can be told at once."""
        query = f"""
            select distinct source_file_id
            from ({self._whole(layout, paths, ignore_errors=True)}) where reason is not null
        """
        try:
            rows = self.con.execute(
                query, {"names": [str(path) for path in paths.values()]}
            ).fetchall()
        except (UnicodeDecodeError, duckdb.Error):
            return set()
        return {row[0] for row in rows}

    def _whole(
        self, layout: _Layout, paths: dict[str, Path], *, ignore_errors: bool = False
    ) -> str:
        """The validation query over whole files, whose names are to be given as `$names`. With
        `ignore_errors` lines of JSON that cannot be read are records without fields."""
        if self.kind == "json":
            texts = texts_of_json(self.shape)
            source = (
                f"read_json($names, columns = {json_columns(self.shape)},"
                # Told that lines are records, the reader does not sniff at them first, which would
                # overflow its stack where they are nested deeply.
                " format = 'newline_delimited', records = true, filename = true,"
                f" ignore_errors = {ignore_errors})"
            )
        else:
            texts = texts_of_columns(self.shape, self._columns(layout, next(iter(paths.values()))))
            source = _read_parquet("filename = true")
        if self.kind == "csv":
            columns = ", ".join(f"{literal(name)}: 'varchar'" for name, _type in layout.columns)
            source = (
                f"read_csv($names, columns = {{{columns}}}, header = true, auto_detect = false,"
                " delim = ',', quote = '\"', escape = '\"', strict_mode = true,"
                f" max_line_size = {lines.MAX_CSV_RECORD}, filename = true)"
            )
        return self._validated(
            f"""
            select {texts},
                parse_filename(filename, true) as source_file_id,
                null::bigint as line_number
            from {source}
            """,
            paths,
            keep_fields=False,
        )

    def _read_rows(self, layout: _Layout, source_file_id: str, path: Path) -> None:
        """Read a Parquet file row by row."""
        wanted = self.files[source_file_id].lines
        source = f"""
            select {texts_of_columns(self.shape, self._columns(layout, path))},
                {literal(source_file_id)} as source_file_id,
                file_row_number + 1 as line_number
            from {_read_parquet("file_row_number = true")}
            {f"where {wanted.condition}" if wanted else ""}
        """
        try:
            self._judge(source, [source_file_id], {"names": [str(path)]})
        except duckdb.Error as error:
            self.unreadable[source_file_id] = str(_as_unreadable(error, path))

    def _read_lines(self, layout: _Layout, paths: dict[str, Path]) -> None:
        """Read files of text line by line, judging many lines, of many files, together."""
        pending: list[tuple[str, lines.Line]] = []
        size = 0
        for source_file_id, path in paths.items():
            wanted = self.files[source_file_id].lines
            with path.open("rb") as stream:
                for line in (
                    lines.json_lines(stream)
                    if self.kind == "json"
                    else lines.csv_records(stream, [name for name, _type in layout.columns])
                ):
                    if wanted and line.number not in wanted:
                        continue
                    if self._is_left_behind(line):
                        continue
                    self.lines_seen[source_file_id] += 1
                    if isinstance(line, lines.BadLine):
                        self.bad_lines.append((source_file_id, line))
                        continue
                    pending.append((source_file_id, line))
                    size += sum(map(len, line.values))
                    if size > _TEXT_AT_ONCE:
                        self._judge_lines(layout, pending)
                        pending, size = [], 0
        if pending:
            self._judge_lines(layout, pending)

    def _is_left_behind(self, line: lines.Line | lines.BadLine) -> bool:
        """Whether it is a row without a value, as spreadsheets leave them at the end of a bill."""
        is_bill = self.feed == "vendor_bills" and self.kind == "csv"
        return is_bill and isinstance(line, lines.Line) and not any(line.values)

    def _judge_lines(self, layout: _Layout, pending: Sequence[tuple[str, lines.Line]]) -> None:
        """Put lines before the validation query."""
        import polars  # a tenth of a second that clean files need not pay

        # Numbered, so that no column of a file is taken for one of ours.
        columns = {name: f"value_{n}" for n, (name, _type) in enumerate(layout.columns)}
        frame = polars.DataFrame(
            {
                name: [line.values[n] for _file, line in pending]
                for n, name in enumerate(columns.values() or ["line"])
            },
            schema_overrides=dict.fromkeys(columns.values(), polars.String),
        ).with_columns(
            polars.Series("source_file_id", [name for name, _line in pending], polars.String),
            polars.Series("line_number", [line.number for _file, line in pending], polars.Int64),
        )
        self.con.register("loading_records", _ArrowStream(frame))
        source_file_ids = frame["source_file_id"].unique(maintain_order=True).to_list()
        if self.kind == "csv":
            texts = texts_of_columns(self.shape, {name: Column(c) for name, c in columns.items()})
            self._judge(
                f"select {texts}, source_file_id, line_number from loading_records",
                source_file_ids,
            )
        else:
            self.con.execute(
                f"""
                create or replace temp table loading_faults as
                select source_file_id, line_number, {fault_of_line(self.shape)} as fault,
                    strlen(line) as line_length,
                    case when fault is not null then sha256(line) end as line_sha256
                from loading_records
                """
            )
            self.con.execute(
                """
                insert into loading_rejects
                    (source_file_id, line_number, reason, line_length, line_sha256)
                from loading_faults where fault is not null
                """
            )
            objects = """
                from loading_records
                semi join (from loading_faults where fault is null)
                    using (source_file_id, line_number)
            """
            if self.feed == "vendor_bills":
                objects = self._items_of_lines(objects)
            self._judge(
                f"""
                select {texts_of_values(self.shape)}, source_file_id, line_number
                from (
                    select source_file_id, line_number, {values_of_line(self.shape)}
                    from ({objects})
                )
                """,
                source_file_ids,
            )
        self.con.unregister("loading_records")

    def _items_of_lines(self, objects: str) -> str:
        """What lines hold that can hold several items. One that holds none is as a blank line; one
        that cannot be taken apart is rejected."""
        self.con.execute(
            f"""
            create or replace temp table loading_pages as
            select *, {items_of_line()} as items from ({objects})
            """
        )
        for source_file_id, pages in self.con.execute(
            "select source_file_id, count(*) from loading_pages where len(items) = 0 group by all"
        ).fetchall():
            self.lines_seen[source_file_id] -= pages
        self.con.execute(
            f"""
            create or replace temp table loading_items as
            with items as (
                select source_file_id, line_number, line as whole,
                    unnest(coalesce(items, [null]))::varchar as line
                from loading_pages
            )
            select source_file_id, line_number, whole, line,
                case when line is null then 'no_items' else {fault_of_line(self.shape)} end as fault
            from items
            """
        )
        self.con.execute(
            """
            insert into loading_rejects
                (source_file_id, line_number, reason, line_length, line_sha256)
            select source_file_id, line_number, min(fault), strlen(any_value(whole)),
                sha256(any_value(whole))
            from loading_items where fault is not null
            group by source_file_id, line_number
            """
        )
        return """
            from loading_items
            anti join (from loading_items where fault is not null)
                using (source_file_id, line_number)
        """

    def _judge(
        self,
        texts: str,
        source_file_ids: Sequence[str],
        parameters: dict[str, object] | None = None,
    ) -> None:
        """Keep the records that the validation query accepts, and the reasons for the others. A
        line that holds several is accepted if all of them are."""
        query = self._validated(texts, source_file_ids, keep_fields=True)
        self.con.execute(f"create or replace temp table loading_judged as {query}", parameters)
        for name in source_file_ids:
            rejected = self.files[name].rejected
            if rejected:
                self.con.execute(
                    "update loading_judged set reason = 'rejected_when_first_loaded'"
                    f" where reason is null and source_file_id = ? and {rejected.condition}",
                    [name],
                )
        self.con.execute(
            """
            insert into loading_rejects (source_file_id, line_number, reason, fields)
            select distinct on (source_file_id, line_number)
                source_file_id, line_number, reason, fields
            from loading_judged where reason is not null
            order by source_file_id, line_number, reason, fields
            """
        )
        if self.feed == "call_logs":
            self._write_part(
                "select * exclude (line_number, reason, fields)"
                " from loading_judged where reason is null",
                None,
                source_file_ids,
            )
        else:
            self.con.execute(
                "insert into loading_rows by name select * exclude (reason) from loading_judged"
                " anti join (from loading_judged where reason is not null)"
                " using (source_file_id, line_number)"
            )

    def _validated(self, texts: str, source_file_ids: Iterable[str], *, keep_fields: bool) -> str:
        """The validation query over texts, with what is known of their files."""
        files = [self.files[name] for name in source_file_ids]
        dates = {(one.file.arrived_on, one.settlement_floor) for one in files}
        if len(dates) == 1:
            [(arrived_on, floor)] = dates
            known = (
                f"(select date '{arrived_on}' as arrived_on, date '{floor}' as settlement_floor)"
            )
            source = f"select * from ({texts}) cross join {known}"
        else:
            values = ", ".join(
                f"({literal(one.source_file_id)}, date '{one.file.arrived_on}',"
                f" date '{one.settlement_floor}')"
                for one in files
            )
            source = f"""
                select *
                from ({texts})
                inner join (values {values}) as f (source_file_id, arrived_on, settlement_floor)
                    using (source_file_id)
            """
        return validation_query(
            self.shape, source, self.loader.billing_vars, keep_fields=keep_fields
        )

    def _write_part(
        self,
        query: str,
        parameters: dict[str, object] | None,
        source_file_ids: Iterable[str],
    ) -> int:
        """Write accepted records aside, in folders by settlement floor, and count them."""
        part = self._begin_part()
        floors = {self.files[name].settlement_floor for name in source_file_ids}
        if len(floors) == 1:
            folder = self.folder / f"settlement_floor={floors.pop()}"
            folder.mkdir(parents=True, exist_ok=True)
            target = f"{literal(str(folder / f'{part}.parquet'))} ({_PARQUET_OUT})"
            query = f"select * exclude (settlement_floor) from ({query})"
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            target = (
                f"{literal(str(self.folder))} ({_PARQUET_OUT}, partition_by (settlement_floor),"
                f" overwrite_or_ignore true, filename_pattern {literal(part + '_{i}')})"
            )
        rows: int = self.con.execute(f"copy ({query}) to {target}", parameters).fetchall()[0][0]
        if rows:
            self.parts += sorted(self.folder.glob(f"*/{part}*.parquet"))
        return rows

    def _begin_part(self) -> str:
        """What the files are named by that are written next."""
        self.parts_begun += 1
        return f"{self.name}-{self.parts_begun - 1:03d}"

    def _drop_part(self) -> None:
        """Take back what was written last."""
        part = f"{self.name}-{self.parts_begun - 1:03d}"
        self.parts = [path for path in self.parts if not path.name.startswith(part)]

    # --- ending --------------------------------------------------------------------------------

    def commit(self) -> None:
        """Write the manifest and the rejects in one transaction, then show the records."""
        con = self.con
        accepted = self._accepted()
        self._insert(
            "loading_rejects (source_file_id, line_number, reason, line_length, line_sha256)",
            [
                (source_file_id, bad.number, bad.reason, bad.length, bad.sha256)
                for source_file_id, bad in self.bad_lines
            ],
        )
        rejected = dict(
            con.execute(
                "select source_file_id, count(*) from loading_rejects group by all"
            ).fetchall()
        )
        self._insert(
            "loading_rejects (source_file_id, reason, detail)",
            [(name, "unreadable_file", why) for name, why in self.unreadable.items()],
        )
        counts = {name: (accepted.get(name, 0), rejected.get(name, 0)) for name in self.files}
        for name, one in self.files.items():
            good, bad = counts[name]
            if name in self.lines_seen and self.lines_seen[name] != good + bad:
                raise CallbillError(
                    f"{one.file.name}: of {self.lines_seen[name]} lines {good} were accepted and "
                    f"{bad} rejected; this is a fault of callbill, nothing of the file was kept"
                )
        for part in self.parts:
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
        con.begin()
        self._write_manifest(counts)
        con.execute(
            """
            insert into ops.rejected_records by name
            select r.*, f.feed, f.path, f.run_id
            from loading_rejects as r
            inner join ops.source_files as f
                on r.source_file_id = f.source_file_id and f.feed = ?
            """,
            [self.feed],
        )
        if self.feed != "call_logs":
            con.execute(f"insert into raw.{self.feed} by name from loading_rows")
        self._insert("ops.raw_files", [(f"{part.parent.name}/{part.name}",) for part in self.parts])
        con.commit()
        finish_loads(con, self.loader.settings)

    def _write_manifest(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """A row per file; of one that is read again its counts change, and it is noted what came
        of it."""
        con, report = self.con, self.loader.report
        now = datetime.now(UTC)
        rows = []
        for name, one in self.files.items():
            good, bad = counts[name]
            report.lines_read += good + bad
            report.accepted += good
            report.rejected += bad
            if one.lines is None or not one.lines.only:
                report.files += 1
                rows.append(
                    (
                        name, self.feed, one.file.name, one.file.shape, one.file.arrived_on,
                        one.settlement_floor, one.file.size, good + bad, good, bad,
                        self.loader.run_id, now, None,
                    )
                )  # fmt: skip
                continue
            of_file = f"feed = {literal(self.feed)} and source_file_id = {literal(name)}"
            con.execute(
                f"""
                insert into ops.retries
                select $name, $feed, $floor, list(n order by n), $run_id, (
                    select list({{
                        'line_number': line_number, 'reason': reason, 'detail': detail,
                        'fields': fields, 'run_id': run_id
                    }})
                    from ops.rejected_records where {of_file} and {one.lines.condition}
                )
                from (select unnest($numbers) as n)
                where n not in (select line_number from loading_rejects)
                having count(*) > 0
                """,
                {
                    "name": name,
                    "feed": self.feed,
                    "floor": one.settlement_floor,
                    "numbers": sorted(one.lines.numbers),
                    "run_id": self.loader.run_id,
                },
            )
            again = con.execute(
                f"delete from ops.rejected_records where {of_file} and {one.lines.condition}"
                " returning line_number"
            ).fetchall()
            con.execute(
                f"""
                update ops.source_files set
                    lines_read = lines_read - $again + $good + $bad,
                    records_accepted = records_accepted + $good,
                    records_rejected = records_rejected - $again + $bad
                where {of_file}
                """,
                {"again": len(again), "good": good, "bad": bad},
            )
        report.unreadable_files += len(self.unreadable)
        self._insert("ops.source_files", rows)

    def clear(self) -> None:
        """Remove what lies aside; what was committed does not lie there any more."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.loader.scratch, ignore_errors=True)

    def _insert(self, target: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert rows; one statement for many, since one per row would take a millisecond each."""
        for start in range(0, len(rows), 500):
            some = rows[start : start + 500]
            values = ", ".join(f"({', '.join('?' * len(row))})" for row in some)
            self.con.execute(
                f"insert into {target} values {values}", [value for row in some for value in row]
            )

    def _accepted(self) -> dict[str, int]:
        """Records accepted by file, counted where they were written."""
        source, counted = "loading_rows", "count(distinct line_number)"
        if self.feed == "call_logs":
            if not self.parts:
                return {}
            source = f"read_parquet([{', '.join(literal(str(part)) for part in self.parts)}])"
            counted = "count(*)"
        return dict(
            self.con.execute(
                f"select source_file_id, {counted} from {source} group by all"
            ).fetchall()
        )


class _ArrowStream:
    """A frame as Arrow, which DuckDB reads as it lies in memory.

    A file in between would have to have a new name each time: DuckDB remembers what a name held.
    """

    def __init__(self, frame: polars.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def _read_parquet(*options: str) -> str:
    always = ("$names", "binary_as_string = true", "hive_partitioning = false")
    return f"read_parquet({', '.join((*always, *options))})"


# A damaged Parquet file may say of a page that it takes gigabytes: no page does, nor may a value.
_HUGE_ALLOCATION = re.compile(
    r"allocate data of size ([\d.]+ [GTPE]iB|(25[6-9]|2[6-9]\d|[3-9]\d\d)\b)"
)


def _raise_if_machine_fault(error: duckdb.Error, kind: str = "parquet") -> None:
    if kind == "parquet" and _HUGE_ALLOCATION.search(str(error)):
        return
    fault = fault_of_machine(error)
    if fault is not None:
        raise CallbillError(fault) from error


def _as_unreadable(error: duckdb.Error, path: Path) -> lines.UnreadableFileError:
    _raise_if_machine_fault(error)
    said = str(error).splitlines()[0].replace(f'"{path}"', "it").replace(str(path), "it")
    return lines.UnreadableFileError(f"cannot be read as Parquet: {said}")
