"""Lists the landing folder: the files that a run can read, and what their paths say about them.

A path gives a file's feed, kind, compression, log shape and arrival date. This module opens no
file, and knows no warehouse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from callbill.base.errors import UsageError
from callbill.ingest.feed import feeds
from callbill.storage.folder import (
    FolderEntry,
    ObjectEntry,
    StoredFile,
    UnusableFileError,
    walk,
)

KINDS = {".jsonl": "json", ".ndjson": "json", ".csv": "csv", ".parquet": "parquet"}
COMPRESSIONS = (".gz", ".zst")
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
    kind: str  # json (lines), csv, parquet, or document (one JSON document)
    compression: str  # "", ".gz" or ".zst"
    shape: str

    @property
    def may_be_empty(self) -> bool:
        """Whether a file without any bytes is a valid file of its kind."""
        return self.kind != "parquet" and not self.compression


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
            file = _describe(entry, shapes, zone)
        except UnusableFileError as problem:
            listing.skipped.append(Skipped(entry.name, str(problem)))
            continue
        except OSError as error:
            listing.skipped.append(Skipped(entry.name, f"cannot be read: {error.strerror}"))
            continue
        if isinstance(file, LandingFile):
            listing.files.append(file)
        else:
            listing.announcements.append(file)
    if listing.skipped and not listing.files and landing.name in feeds():
        raise UsageError(
            f"{landing} is the folder of a feed: name the folder above it with --landing"
        )
    listing.waiting = [Waiting(name, None) for name in unfinished]
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


def _describe(
    entry: FolderEntry | ObjectEntry, shapes: frozenset[str], zone: ZoneInfo
) -> LandingFile | Announcement:
    """The file or announcement of this name. Raises as `FolderEntry.file` does."""
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
        return Announcement(**vars(file), **_arrival(folders, file, zone))
    stem, compression = filename, ""
    for suffix in COMPRESSIONS:
        if stem.endswith(suffix):
            stem, compression = stem.removesuffix(suffix), suffix
    kind = KINDS.get(Path(stem).suffix)
    if feed.reads_documents and stem.endswith(".json"):
        kind = "document"
    if kind is None or (kind == "parquet" and compression):
        raise UnusableFileError(
            "is neither .jsonl, .ndjson, .csv (or these .gz, .zst) nor .parquet"
        )
    file = entry.file()
    shape = _key_values(folders).get("format", DEFAULT_SHAPE)
    if feed.name == "call_logs" and shape not in shapes:
        raise UnusableFileError(f"has no log shape named {shape!r}")
    return LandingFile(
        **vars(file),
        feed=feed.name,
        kind=kind,
        compression=compression,
        shape=shape,
        **_arrival(folders, file, zone),
    )


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
