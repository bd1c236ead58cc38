"""Lists the landing folder: the files that a run can read, and what their paths say about them.

A path gives a file's feed, kind, compression, log shape and arrival date. This module reads no
content except to hash it, and knows no warehouse.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from callbill.base.errors import UsageError
from callbill.ingest.feed import feeds

KINDS = {".jsonl": "json", ".ndjson": "json", ".csv": "csv", ".parquet": "parquet"}
COMPRESSIONS = (".gz", ".zst")
DEFAULT_SHAPE = "canonical"
ANNOUNCEMENT_SUFFIX = ".manifest.json"
# With a mistyped year in a path, a run would settle every day since then.
EARLIEST_ARRIVAL = date(2010, 1, 1)
_BLOCK = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A file of the landing folder, with the facts from its path and its directory entry."""

    path: Path
    name: str  # relative to the landing folder, with forward slashes
    arrived_on: date
    size: int
    mtime_ns: int
    inode: int

    @property
    def entry(self) -> tuple[str, int, int, int]:
        """The key of the file's content: as long as it is the same, so is the content."""
        return self.name, self.size, self.mtime_ns, self.inode


@dataclass(frozen=True, kw_only=True)
class LandingFile(_Entry):
    """A file to read."""

    feed: str
    kind: str  # json (lines), csv, parquet, or document (one JSON document)
    compression: str  # "", ".gz" or ".zst"
    shape: str

    @property
    def may_be_empty(self) -> bool:
        """Whether a file without any bytes is a valid file of its kind."""
        return self.kind != "parquet" and not self.compression

    def is_unchanged(self) -> bool:
        """Whether the directory entry is still the one that `list_landing` saw."""
        try:
            entry = self.path.stat()
        except OSError:
            return False
        return (entry.st_size, entry.st_mtime_ns, entry.st_ino) == (
            self.size,
            self.mtime_ns,
            self.inode,
        )

    def digest(self) -> str | None:
        """The SHA-256 of the file's bytes, None if it cannot be read."""
        try:
            # Large blocks: after each the thread waits for the interpreter (imports_ahead.py).
            block = bytearray(min(max(self.size, 1), _BLOCK))
            digest = hashlib.sha256()
            with self.path.open("rb", buffering=0) as stream:
                while length := stream.readinto(block):
                    digest.update(memoryview(block)[:length])
            return digest.hexdigest()
        except OSError:
            return None


class Announcement(_Entry):
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


@dataclass
class Landing:
    """The listing of a landing folder. `files` are in order of arrival."""

    files: list[LandingFile] = field(default_factory=list)
    announcements: list[Announcement] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def list_landing(landing: Path, shapes: frozenset[str], zone: ZoneInfo) -> Landing:
    """The files of a landing folder.

    Hidden files and files that are still being written (`.tmp`, `.part`) are left out. Every other
    file that cannot be read is listed as skipped. `shapes` are the names of the log shapes. `zone`
    is the billing timezone, for files that arrive without a date in their path.

    Raises UsageError if a folder cannot be read.
    """
    listing = Landing()
    root = os.path.realpath(landing)
    for path in _walk(landing):
        # From here on a name is text. Bytes that are not UTF-8 are escaped.
        name = os.fsencode(path.relative_to(landing)).decode("utf-8", "backslashreplace")
        try:
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                listing.skipped.append(Skipped(name, "is a link that leads out of the folder"))
                continue
            file = _describe(path, name, shapes, zone)
        except _UnreadableNameError as problem:
            listing.skipped.append(Skipped(name, str(problem)))
            continue
        except OSError as error:
            listing.skipped.append(Skipped(name, f"cannot be read: {error.strerror}"))
            continue
        if isinstance(file, LandingFile):
            listing.files.append(file)
        else:
            listing.announcements.append(file)
    listing.files.sort(key=lambda listed: (listed.arrived_on, listed.name))
    return listing


def _arrival_date(text: str) -> date:
    try:
        arrived_on = date.fromisoformat(text)
    except ValueError as error:
        raise _UnreadableNameError(f"arrived_on={text} is not a date") from error
    if str(arrived_on) != text or arrived_on < EARLIEST_ARRIVAL:
        raise _UnreadableNameError(
            f"arrived_on={text} is not a date YYYY-MM-DD from {EARLIEST_ARRIVAL} on"
        )
    return arrived_on


class _UnreadableNameError(Exception):
    """A path that does not determine what its file is."""


def _walk(landing: Path) -> Iterator[Path]:
    if not landing.is_dir():
        raise UsageError(f"landing folder {landing} is not there; name it with --landing")

    def stop(error: OSError) -> None:
        raise UsageError(f"landing folder {error.filename} cannot be read: {error.strerror}")

    for folder, folders, names in os.walk(landing, onerror=stop):
        folders[:] = sorted(name for name in folders if not _is_ignored(name))
        # Links to folders are not followed. They are yielded, to be listed as skipped.
        names += [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted(names):
            if not _is_ignored(name):
                yield Path(folder, name)


def _is_ignored(name: str) -> bool:
    return name.startswith((".", "_")) or name.endswith((".tmp", ".part"))


def _describe(
    path: Path, name: str, shapes: frozenset[str], zone: ZoneInfo
) -> LandingFile | Announcement:
    *folders, filename = name.split("/")
    if path.is_dir():
        raise _UnreadableNameError("is a link to a folder")
    feed = feeds().get(folders[0]) if folders else None
    if feed is None:
        raise _UnreadableNameError(f"lies in none of the feeds {', '.join(feeds())}")
    if filename.endswith(ANNOUNCEMENT_SUFFIX):
        entry = _entry(path)
        return Announcement(
            path=path,
            name=name,
            arrived_on=_arrived_on(folders, entry, zone),
            size=entry.st_size,
            mtime_ns=entry.st_mtime_ns,
            inode=entry.st_ino,
        )
    stem, compression = filename, ""
    for suffix in COMPRESSIONS:
        if stem.endswith(suffix):
            stem, compression = stem.removesuffix(suffix), suffix
    kind = KINDS.get(Path(stem).suffix)
    if feed.reads_documents and stem.endswith(".json"):
        kind = "document"
    if kind is None or (kind == "parquet" and compression):
        raise _UnreadableNameError(
            "is neither .jsonl, .ndjson, .csv (or these .gz, .zst) nor .parquet"
        )
    entry = _entry(path)
    shape = _key_values(folders).get("format", DEFAULT_SHAPE)
    if feed.name == "call_logs" and shape not in shapes:
        raise _UnreadableNameError(f"has no log shape named {shape!r}")
    return LandingFile(
        path=path,
        name=name,
        feed=feed.name,
        kind=kind,
        compression=compression,
        shape=shape,
        arrived_on=_arrived_on(folders, entry, zone),
        size=entry.st_size,
        mtime_ns=entry.st_mtime_ns,
        inode=entry.st_ino,
    )


def _entry(path: Path) -> os.stat_result:
    entry = path.stat()
    if not stat.S_ISREG(entry.st_mode):
        raise _UnreadableNameError("is not a regular file")
    return entry


def _key_values(folders: Iterable[str]) -> dict[str, str]:
    """The folders of the form key=value."""
    return dict(part.split("=", 1) for part in folders if "=" in part)


def _arrived_on(folders: Iterable[str], entry: os.stat_result, zone: ZoneInfo) -> date:
    """The arrival date: from a folder `arrived_on=`, otherwise from the modification time."""
    values = _key_values(folders)
    if "arrived_on" in values:
        return _arrival_date(values["arrived_on"])
    try:
        arrived_on = datetime.fromtimestamp(entry.st_mtime, zone).date()
    except (ValueError, OverflowError, OSError) as error:
        raise _UnreadableNameError(
            "has a modification time that is no date; name its arrival (arrived_on=YYYY-MM-DD)"
        ) from error
    if arrived_on < EARLIEST_ARRIVAL:
        raise _UnreadableNameError(
            f"was modified on {arrived_on}, which is no arrival date; name it "
            "(arrived_on=YYYY-MM-DD)"
        )
    return arrived_on
