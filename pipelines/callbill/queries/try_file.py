"""Reads a file as a run would, and keeps nothing: what its records are, what is rejected and why.

Without the name of a shape, each shape reads the file's first lines, and the one that accepts most
of them is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from callbill.base import rules
from callbill.base.errors import UsageError
from callbill.base.settings import Settings, load_vars
from callbill.base.sql import literal
from callbill.ingest.feed import feeds
from callbill.ingest.landing import DEFAULT_SHAPE, LandingFile, Skipped, files_of
from callbill.ingest.read_task import FileOutcome, FileToRead, ReadTask
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.readers.unpacking import unpack
from callbill.ingest.shape_files import declarations_of, load_shapes, shape_names
from callbill.ingest.shapes import Shape, call_log_shapes
from callbill.storage.folder import StoredFile, UnusableFileError
from callbill.tasks.connection import connect
from callbill.tasks.ingest import read_files

# A shape is guessed by so many lines.
_LINES_TO_GUESS_BY = 200
# Texts of programs that log an error code of every call, also where there was no error.
_MAY_MEAN_SUCCESS = ("ok", "success", "succeeded", "successful", "no_error", "noerror", "200")


@dataclass(frozen=True)
class Trial:
    """What a file, or a member of an archive, would be read as."""

    name: str
    shape: str
    accepted: int
    rejected: int
    never_reached: int
    unreadable: str | None
    columns: list[str]
    # The first records, and the first rejects with line, reason and what is kept.
    records: list[tuple[Any, ...]]
    rejects: list[tuple[int | None, str, str | None]]
    # Shapes that read as many of the first lines, if the shape was guessed.
    others: list[str] = field(default_factory=list)
    is_guess: bool = False
    # What a shape of the place's own could say, so that more is read as it is meant.
    hints: list[str] = field(default_factory=list)


def all_shapes(settings: Settings) -> dict[str, Shape]:
    """The shapes of call logs by name, those of the place first."""
    own = load_shapes(settings.shapes)
    shipped = sorted(call_log_shapes(), key=lambda name: (name != DEFAULT_SHAPE, name))
    return own | {name: call_log_shapes()[name] for name in shipped}


def try_file(
    settings: Settings, path: Path, *, feed: str | None, shape: str | None, limit: int
) -> list[Trial]:
    """Read a file of a feed as a run would. `limit` is how many records and rejects are shown. A
    file that lies in the landing folder is of the feed and shape that its path says.

    Raises UsageError if the file cannot be read, or the shape or feed is not known.
    """
    shapes = all_shapes(settings)
    landed_feed, landed_shape = _as_landed(settings.landing, path)
    if feed is None:
        feed, shape = landed_feed, shape or landed_shape
    if feed not in feeds():
        raise UsageError(f"there is no feed {feed}: known are {', '.join(feeds())}")
    if shape is not None and shape not in shapes:
        raise UsageError(f"there is no log shape {shape}: known are {', '.join(shapes)}")
    file = stored_file(path, feed, shape)
    zone = load_vars(settings).zone
    trials = []
    with TemporaryDirectory(prefix="callbill-try-") as scratch:
        try:
            found = list(files_of(file, shape_names(load_shapes(settings.shapes)), zone))
        except UnusableFileError as problem:
            raise UsageError(f"{path} {problem}") from problem
        for number, one in enumerate(found):
            if isinstance(one, LandingFile):
                reader = _Reader(settings, Path(scratch) / str(number))
                trials.append(reader.trial(one, shape, shapes, limit))
            elif isinstance(one, Skipped):
                trials.append(Trial(one.name, "", 0, 0, 0, one.why, [], [], []))
    return [replace(trial, name=_shown(trial.name)) for trial in trials]


def _as_landed(landing: Path, path: Path) -> tuple[str, str | None]:
    """The feed and shape of a file by its path in the landing folder."""
    try:
        feed, *folders, _name = path.resolve().relative_to(landing.resolve()).parts
    except ValueError:  # it lies elsewhere, or in no feed's folder
        return "call_logs", None
    shapes = [part.removeprefix("format=") for part in folders if part.startswith("format=")]
    return feed, shapes[-1] if shapes and feed == "call_logs" else None


def stored_file(path: Path, feed: str, shape: str | None) -> StoredFile:
    try:
        entry = path.stat()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if not path.is_file():
        raise UsageError(f"{path} is no file")
    # A file without an ending is read under a format= alone.
    folder = f"{feed}/format={shape or DEFAULT_SHAPE}" if feed == "call_logs" else feed
    return StoredFile(
        name=f"{folder}/{path.name}",
        path=path.absolute(),
        size=entry.st_size,
        mtime_ns=entry.st_mtime_ns,
        inode=entry.st_ino,
    )


def _shown(name: str) -> str:
    """A name as the user gave it: without feed and shape."""
    return "/".join(part for part in name.split("/")[1:] if not part.startswith("format="))


@dataclass(frozen=True)
class FileRead:
    """What reading a file gave: its counts, Parquet files of records, and one of rejects."""

    counts: FileOutcome
    parts: list[Path]
    rejects: Path | None


def read_one(
    con: duckdb.DuckDBPyConnection,
    file: LandingFile,
    shape: str,
    folder: Path,
    billing_timezone: str,
    declaration: str = "",
) -> FileRead:
    """Read a file into a folder by today's rules."""
    # Records of today are no records of the future, whenever the file was modified.
    arrived_on = file.arrived_on + timedelta(days=1)
    to_read = FileToRead(
        file.path, file.name, file.compression, "file", arrived_on, arrived_on,
        member=file.member,
    )  # fmt: skip
    task = ReadTask(
        name="try", feed=file.feed, shape=shape, kind=file.kind,
        billing_timezone=billing_timezone, reading_rules=rules.READING_RULES, files=(to_read,),
        folder=folder / "out", scratch=folder / "scratch", declaration=declaration,
    )  # fmt: skip
    outcome = read_files(con, task)
    return FileRead(
        outcome.files["file"],
        [task.folder / part for part in outcome.parts],
        task.folder / outcome.rejects if outcome.rejects else None,
    )


class _Reader:
    """Reads files into a folder of its own."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self.zone = load_vars(settings).billing_timezone
        self.declarations: Mapping[str, str] = declarations_of(load_shapes(settings.shapes))
        self.reads = 0
        folder.mkdir(parents=True)

    def trial(
        self, file: LandingFile, shape: str | None, shapes: Mapping[str, Shape], limit: int
    ) -> Trial:
        others: list[str] = []
        is_guess = shape is None and file.feed == "call_logs"
        if is_guess:
            shape, *others = self._guess(file, list(shapes))
        return replace(
            self._read(file, shape or DEFAULT_SHAPE, limit), others=others, is_guess=is_guess
        )

    def _guess(self, file: LandingFile, names: list[str]) -> list[str]:
        """The shapes that accept most of a file's first lines."""
        some = self._first_lines(file)
        accepted = {name: self._read(some, name, 0).accepted for name in names}
        most = max(accepted.values())
        return [name for name in names if accepted[name] == most] if most else [DEFAULT_SHAPE]

    def _first_lines(self, file: LandingFile) -> LandingFile:
        """The first lines of a file that has lines, otherwise the file itself."""
        if file.kind not in ("json", "csv", "text"):
            return file
        try:
            plain = unpack(file.path, file.member, file.compression, self.folder / "unpacked")
        except UnreadableFileError:
            return file
        head = self.folder / "head"
        with plain.open("rb") as source, head.open("wb") as sink:
            sink.writelines(islice(source, _LINES_TO_GUESS_BY))
            if source.read(1) and _begins_a_document(head):
                return file
        return replace(file, path=head, member=None, compression="", stored_size=None)

    def _read(self, file: LandingFile, shape: str, limit: int) -> Trial:
        self.reads += 1
        here = self.folder / f"read-{self.reads}"
        con = connect(None, str(here / "spill"))
        try:
            read = read_one(con, file, shape, here, self.zone, self.declarations.get(shape, ""))
            counts = read.counts
            con.execute(f"set TimeZone = {literal(self.zone)}")
            columns, records = _first(con, read.parts, limit)
            rejects = []
            hints = list(_hints(con, file.feed, read)) if limit else []
            if read.rejects and limit:
                rejects = con.execute(
                    "select line_number, reason, coalesce(detail, fields) from read_parquet(?)"
                    " order by line_number nulls first limit ?",
                    [str(read.rejects), limit],
                ).fetchall()
        finally:
            con.close()
        return Trial(
            file.name, shape, counts.accepted, counts.rejected, counts.never_reached,
            counts.unreadable, columns, records, rejects, hints=hints,
        )  # fmt: skip


def _hints(con: duckdb.DuckDBPyConnection, feed: str, read: FileRead) -> Iterator[str]:
    """Sentences about calls whose shape could say more."""
    if feed != "call_logs":
        return
    if (
        read.rejects
        and con.execute(
            "select 1 from read_parquet(?) where reason = 'invalid_called_at' limit 1",
            [str(read.rejects)],
        ).fetchall()
    ):
        yield "Times of another form are read by a shape that names it: time_formats."
    if not read.parts:
        return
    codes = [
        code
        for (code,) in con.execute(
            "select distinct error_code from read_parquet(?, hive_partitioning = false)"
            " where list_contains(?, lower(error_code)) order by 1",
            [[str(part) for part in read.parts], list(_MAY_MEAN_SUCCESS)],
        ).fetchall()
    ]
    if codes:
        yield (
            f"Calls with the error code {', '.join(codes)} are failed ones. If it means success,"
            f" the shape has to say so: no_error_codes: [{', '.join(map(repr, codes))}]."
        )


def _first(
    con: duckdb.DuckDBPyConnection, parts: list[Path], limit: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns of accepted records, and the first of them."""
    if not parts or not limit:
        return [], []
    found = con.execute(
        "select columns(lambda c: c not in ('source_file_id', 'settlement_floor', 'arrived_on',"
        " 'settled_on', 'fields', 'line_number'))"
        " from read_parquet(?, hive_partitioning = false) limit ?",
        [[str(part) for part in parts], limit],
    )
    return [column[0] for column in found.description or ()], found.fetchall()


def _begins_a_document(head: Path) -> bool:
    with head.open("rb") as stream:
        first = stream.readline().strip()
    return first in (b"{", b"[")
