"""Lists the landing folder: the files that a run can read, and what their paths say about them.

A path gives a file's feed, kind, compression, log shape and arrival date. Of files only archives
are opened, to list their members. This module knows no warehouse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from callbill.base import rules
from callbill.base.errors import UsageError
from callbill.ingest.feed import feeds
from callbill.storage.archives import DamagedArchiveError
from callbill.storage.folder import (
    FolderEntry,
    ObjectEntry,
    StoredFile,
    UnusableFileError,
    walk,
)

# By the ending of a file's name. A text is what its log shape says, or what it begins like.
KINDS = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "document",
    ".csv": "csv",
    ".tsv": "csv",
    ".log": "text",
    ".txt": "text",
    ".parquet": "parquet",
    ".xlsx": "workbook",
}
COMPRESSIONS = (".gz", ".zst", ".bz2", ".snappy")
# Of a file without an ending its first bytes say how it is compressed.
BY_FIRST_BYTES = "?"
# A .zip that cannot be listed is a file that cannot be read.
ARCHIVE = ".zip"
_NOT_UNPACKED = {
    ".sz": "snappy in frames", ".lzo": "lzop", ".lz4": "lz4", ".xz": "xz",
    ".7z": "7-Zip", ".rar": "RAR", ".tar": "tar", ".tgz": "tar", ".z": "compress",
}  # fmt: skip
_UNKNOWN_ENDING = (
    "is neither .jsonl, .ndjson, .json, .csv, .tsv, .log, .txt (or these .gz, .zst, .bz2, "
    ".snappy), .parquet nor .zip"
)
# Version 1 of the reading rules knew these alone.
_ENDINGS_OF_RULES_1 = re.compile(r"\.(jsonl|ndjson|csv|json)(\.gz|\.zst)?$|\.parquet$")
# What log rotation puts behind the ending: access.log.1, access.log-20260901.
_ROTATED = re.compile(r"(\.(?:log|jsonl|ndjson|json|csv|txt))[.-]\d+$", re.IGNORECASE)
DEFAULT_SHAPE = "canonical"
ANNOUNCEMENT_SUFFIX = ".manifest.json"
# With a mistyped year in a path, a run would settle every day since then.
EARLIEST_ARRIVAL = date(2010, 1, 1)
# The keys of folders key=value that say something of the files below.
_KEYS = ("arrived_on", "format")


@dataclass(frozen=True, kw_only=True)
class _Landed(StoredFile):
    """A file of the landing folder, with its arrival date, and whether its path states that."""

    arrived_on: date
    is_dated: bool


@dataclass(frozen=True, kw_only=True)
class LandingFile(_Landed):
    """A file to read."""

    feed: str
    # One of KINDS, or "archive" for a .zip that cannot be listed.
    kind: str
    # "", one of COMPRESSIONS, or BY_FIRST_BYTES
    compression: str
    shape: str

    @property
    def may_be_empty(self) -> bool:
        """Whether a file without any bytes is a valid file of its kind."""
        if self.kind in ("parquet", "workbook", "archive"):
            return False
        return self.compression in ("", BY_FIRST_BYTES)


class Announcement(_Landed):
    """`<file>.manifest.json`: the sender's announcement of the file beside it."""

    @property
    def file_name(self) -> str:
        """The name of the announced file, relative to the landing folder."""
        return self.name.removesuffix(ANNOUNCEMENT_SUFFIX)


@dataclass(frozen=True)
class Skipped:
    """A file that a run does not read, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Waiting:
    """A file that a later run will read, and the settlement date that it waits for. Without a date
    it waits for its final name."""

    name: str
    until: date | None

    @property
    def why(self) -> str:
        return f"until {self.until}" if self.until else "until it has its final name"


@dataclass
class Landing:
    """The listing of a landing folder. `files` are in order of arrival. `waiting` are those that
    are still being written."""

    files: list[LandingFile] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    announcements: list[Announcement] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, file: LandingFile | Announcement | Skipped | Waiting) -> None:
        if isinstance(file, LandingFile):
            self.files.append(file)
        elif isinstance(file, Announcement):
            self.announcements.append(file)
        elif isinstance(file, Skipped):
            self.skipped.append(file)
        else:
            self.waiting.append(file)


def list_landing(landing: Path, shapes: frozenset[str], zone: ZoneInfo) -> Landing:
    """The files of a landing folder.

    Hidden files are left out. Files that are still being written (`.tmp`, `.part`) are listed as
    waiting, a folder of such a name as one. Every other file that cannot be read is listed as
    skipped. `shapes` are the names of the log shapes. `zone` is the billing timezone, for files
    that arrive without a date in their path.

    Raises UsageError if a folder cannot be read, or if it is the folder of a feed.
    """
    listing = Landing()
    unfinished: dict[str, None] = {}
    for entry in _entries(landing):
        if name := _unfinished_part(entry.name):
            unfinished[name] = None
            continue
        try:
            for file in _described(entry, shapes, zone):
                listing.add(file)
        except UnusableFileError as problem:
            listing.skipped.append(Skipped(entry.name, str(problem)))
        except OSError as error:
            listing.skipped.append(Skipped(entry.name, f"cannot be read: {error.strerror}"))
    if listing.skipped and not listing.files and landing.name in feeds():
        raise UsageError(
            f"{landing} is the folder of a feed: name the folder above it with --landing"
        )
    listing.waiting = list(dict.fromkeys(listing.waiting))
    listing.waiting += [Waiting(name, None) for name in unfinished]
    listing.files.sort(key=lambda listed: (listed.arrived_on, listed.name))
    return listing


def _entries(landing: Path) -> Iterator[FolderEntry | ObjectEntry]:
    try:
        yield from walk(landing, _is_hidden)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            f"landing folder {error.filename} is not there; name it with --landing"
        ) from error
    except OSError as error:
        raise UsageError(
            f"landing folder {error.filename} cannot be read: {error.strerror}"
        ) from error


def _arrival_date(text: str) -> date:
    try:
        arrived_on = date.fromisoformat(text)
    except ValueError as error:
        raise UnusableFileError(f"arrived_on={text} is not a date") from error
    if str(arrived_on) != text or arrived_on < EARLIEST_ARRIVAL:
        raise UnusableFileError(
            f"arrived_on={text} is not a date YYYY-MM-DD from {EARLIEST_ARRIVAL} on"
        )
    return arrived_on


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _unfinished_part(path: str) -> str | None:
    """The file or folder of a path that is still being written, None if there is none."""
    parts = path.split("/")
    for n, part in enumerate(parts, 1):
        if part.endswith((".tmp", ".part")):
            return "/".join(parts[:n])
    return None


def _described(
    entry: FolderEntry | ObjectEntry, shapes: frozenset[str], zone: ZoneInfo
) -> Iterator[LandingFile | Announcement | Skipped | Waiting]:
    """What an entry of the folder is: a file or announcement, or the files of an archive. Raises as
    `FolderEntry.file` does."""
    *folders, filename = entry.name.split("/")
    if entry.leads_out():
        raise UnusableFileError("is a link that leads out of the folder")
    if entry.is_folder():
        raise UnusableFileError("is a link to a folder")
    feed = feeds().get(folders[0]) if folders else None
    if feed is None:
        raise UnusableFileError(f"lies in none of the feeds {', '.join(feeds())}")
    _check_keys(folders)
    if filename.endswith(ANNOUNCEMENT_SUFFIX):
        file = entry.file()
        yield Announcement(**vars(file), **_arrival(folders, file, zone))
        return
    if rules.READING_RULES < 2 and not _ENDINGS_OF_RULES_1.search(filename):
        raise UnusableFileError(_UNKNOWN_ENDING)
    yield from files_of(entry.file(), shapes, zone)


def files_of(
    file: StoredFile, shapes: frozenset[str], zone: ZoneInfo
) -> Iterator[LandingFile | Skipped | Waiting]:
    """The files to read in a file: itself, or the members of an archive. Its name begins with its
    feed. Raises UnusableFileError."""
    if not file.name.lower().endswith(ARCHIVE):
        yield _landing_file(file, shapes, zone)
        return
    archive = file
    try:
        members = archive.members()
    except DamagedArchiveError:
        yield _landing_file(archive, shapes, zone)
        return
    names: set[str] = set()
    for member in members:
        try:
            if found := _member(member, archive.name, names, shapes, zone):
                yield found
        except UnusableFileError as problem:
            yield Skipped(member.name, str(problem))


def _member(
    member: StoredFile, archive: str, names: set[str], shapes: frozenset[str], zone: ZoneInfo
) -> LandingFile | Waiting | None:
    """A file of an archive, None if it is hidden. Raises UnusableFileError."""
    *folders, filename = parts = member.name.removeprefix(archive + "/").split("/")
    if any(map(_is_hidden, parts)) and not {"", ".", ".."} & set(parts):
        return None
    if {"", ".", ".."} & set(parts):
        raise UnusableFileError("has a name in its .zip that leads out of it")
    if unfinished := _unfinished_part(member.name):
        return Waiting(unfinished, None)
    if member.name in names:
        raise UnusableFileError("is in its .zip more than once under this name")
    names.add(member.name)
    if filename.lower().endswith(ARCHIVE):
        raise UnusableFileError("is a .zip in a .zip: unpack it")
    if filename.endswith(ANNOUNCEMENT_SUFFIX):
        raise UnusableFileError("is an announcement in a .zip: put it beside the .zip")
    _check_keys(folders)
    return _landing_file(member, shapes, zone)


def _landing_file(file: StoredFile, shapes: frozenset[str], zone: ZoneInfo) -> LandingFile:
    """A file to read. Raises UnusableFileError."""
    kind, compression = kind_of(file.name)
    folders = file.name.split("/")[:-1]
    shape = _key_values(folders).get("format", DEFAULT_SHAPE)
    if folders[0] == "call_logs" and shape not in shapes:
        raise UnusableFileError(f"has no log shape named {shape!r}")
    return LandingFile(
        **vars(file),
        feed=folders[0],
        kind=kind,
        compression=compression,
        shape=shape,
        **_arrival(folders, file, zone),
    )


def kind_of(name: str) -> tuple[str, str]:
    """The kind of a file of the landing folder and its compression, by its name. Raises
    UnusableFileError if it has none."""
    *folders, filename = name.split("/")
    feed = feeds()[folders[0]]
    stem, compression = _ROTATED.sub(r"\1", filename.lower()), ""
    suffix = Path(stem).suffix
    if suffix in COMPRESSIONS:
        stem, compression = _ROTATED.sub(r"\1", stem.removesuffix(suffix)), suffix
        suffix = Path(stem).suffix
    if suffix == ARCHIVE and not compression:
        return "archive", ""
    if suffix in _NOT_UNPACKED:
        raise UnusableFileError(
            f"is packed by {_NOT_UNPACKED[suffix]}, which is not unpacked here: have it "
            "delivered as .gz, .zst, .bz2 or .zip, or unpack it"
        )
    if suffix == ".xls":
        raise UnusableFileError("is a workbook in its old form: save it as .xlsx or .csv")
    kind = KINDS.get(suffix)
    if kind is None and "format" in _key_values(folders) and not suffix:
        # Clouds deliver files without an ending. What they are is what their shape says.
        return "text", compression or BY_FIRST_BYTES
    if kind == "workbook" and not feed.reads_workbooks:
        raise UnusableFileError("is a workbook, and logs are none: save its sheet as .csv")
    if kind is None or (kind in ("parquet", "workbook") and compression):
        endings = _UNKNOWN_ENDING + (", nor .xlsx" if feed.reads_workbooks else "")
        raise UnusableFileError(endings)
    return kind, compression


def _check_keys(folders: Iterable[str]) -> None:
    """Raises UnusableFileError if a key is nearly one that counts."""
    for key in _key_values(folders).keys() - set(_KEYS):
        if meant := get_close_matches(key.lower().replace("-", "_"), _KEYS, n=1, cutoff=0.75):
            raise UnusableFileError(f"lies below {key}=: is {meant[0]}= meant?")


def _key_values(folders: Iterable[str]) -> dict[str, str]:
    """The folders of the form key=value."""
    return dict(part.split("=", 1) for part in folders if "=" in part)


def _arrival(folders: Iterable[str], file: StoredFile, zone: ZoneInfo) -> dict[str, Any]:
    """The arrival date: from a folder `arrived_on=`, otherwise from the modification time."""
    values = _key_values(folders)
    if "arrived_on" in values:
        return {"arrived_on": _arrival_date(values["arrived_on"]), "is_dated": True}
    return {"arrived_on": _modified_on(file, zone), "is_dated": False}


def _modified_on(file: StoredFile, zone: ZoneInfo) -> date:
    try:
        arrived_on = datetime.fromtimestamp(file.mtime_ns // 10**9, zone).date()
    except (ValueError, OverflowError, OSError) as error:
        raise UnusableFileError(
            "has a modification time that is no date; name its arrival (arrived_on=YYYY-MM-DD)"
        ) from error
    if arrived_on < EARLIEST_ARRIVAL:
        raise UnusableFileError(
            f"was modified on {arrived_on}, which is no arrival date; name it "
            "(arrived_on=YYYY-MM-DD)"
        )
    return arrived_on
