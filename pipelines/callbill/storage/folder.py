"""Reads a folder of files, of this machine or of an object store, behind a small interface.

It owns what is particular to either: folders, links, directory entries; objects and their ETags.
Its callers use only names, and the methods of `StoredFile`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from callbill.base.places import is_in_store
from callbill.storage.archives import DamagedArchiveError, digest_of_member, list_members
from callbill.storage.objects import (
    StoredObject,
    chunks_of,
    describe,
    digest_of_object,
    fetch,
    objects_below,
)

_BLOCK = 16 * 1024 * 1024


class UnusableFileError(Exception):
    """A name that is not a readable file. Its text is the reason."""


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file, with the state of its directory entry when the folder was listed.

    An object of a store has as its inode a number that stands for its ETag.
    """

    # Relative to the folder, with forward slashes. Bytes that are not UTF-8 are escaped.
    name: str
    path: Path
    size: int
    mtime_ns: int
    inode: int
    # Of a file in a .zip: its place in that, which `path` leads to, and the size of the .zip.
    member: int | None = None
    stored_size: int | None = None

    def members(self) -> list[StoredFile]:
        """The files in this .zip. Raises DamagedArchiveError, and OSError as `digest_of`."""
        return [
            replace(
                self,
                name=f"{self.name}/{member.name}",
                size=member.size,
                member=member.index,
                stored_size=self.size,
            )
            for member in list_members(self.path)
        ]

    @property
    def entry(self) -> tuple[str, int, int, int]:
        """The key of the file's content: as long as it is the same, so is the content."""
        return self.name, self.size, self.mtime_ns, self.inode

    def is_unchanged(self) -> bool:
        """Whether the directory entry is still the same."""
        size = self.size if self.stored_size is None else self.stored_size
        if is_in_store(self.path):
            now = describe(self.path)
            return now is not None and (now.size, now.etag) == (size, self.inode)
        try:
            entry = self.path.stat()
        except OSError:
            return False
        return (entry.st_size, entry.st_mtime_ns, entry.st_ino) == (
            size,
            self.mtime_ns,
            self.inode,
        )

    @contextmanager
    def at_hand(self, scratch: Path) -> Iterator[Path]:
        """A path of this machine to read the file from, within this block; see `at_hand`. The path
        of a file in a .zip is that of the .zip."""
        path = at_hand(self.path, scratch)
        try:
            yield path
        finally:
            if path != self.path:
                path.unlink(missing_ok=True)

    def read(self) -> bytes:
        """The file's bytes. Raises OSError, of a store CallbillError."""
        if is_in_store(self.path):
            return b"".join(chunks_of(self.path))
        return self.path.read_bytes()

    def digest(self) -> str | None:
        """The SHA-256 of the file's bytes, None if it cannot be read."""
        try:
            return digest_of(self.path, self.member)
        except (OSError, DamagedArchiveError):
            return None


def digest_of(path: Path, member: int | None = None) -> str:
    """The SHA-256 of a file's bytes, or of those of a member of a .zip. Raises OSError, of a store
    CallbillError."""
    if member is not None:
        return digest_of_member(path, member)
    if is_in_store(path):
        return digest_of_object(path)
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        # Large blocks: after each the thread waits for the interpreter (imports_ahead.py).
        block = bytearray(min(max(os.fstat(stream.fileno()).st_size, 1), _BLOCK))
        while length := stream.readinto(block):
            digest.update(memoryview(block)[:length])
    return digest.hexdigest()


def at_hand(path: Path, scratch: Path) -> Path:
    """A path of this machine to read a file from: its own, or that of a copy in the folder
    `scratch`. Raises FileNotFoundError if an object is not there, CallbillError otherwise."""
    if not is_in_store(path):
        return path
    copy = scratch / hashlib.sha256(str(path).encode()).hexdigest()[:16] / path.name
    if not copy.exists():
        fetch(path, copy)
    return copy


def is_folder(path: Path) -> bool:
    """Whether there is a folder. In a store there are none, so any place will do."""
    return is_in_store(path) or path.is_dir()


@dataclass(frozen=True)
class FolderEntry:
    """A name in a folder, which may or may not be a file."""

    root: Path
    path: Path

    @property
    def name(self) -> str:
        """Relative to the folder, as text."""
        relative = self.path.relative_to(self.root)
        return os.fsencode(relative).decode("utf-8", "backslashreplace")

    def leads_out(self) -> bool:
        """Whether this is a link to a place outside the folder."""
        if not self.path.is_symlink():
            return False
        target = Path(os.path.realpath(self.path))
        return not target.is_relative_to(os.path.realpath(self.root))

    def is_folder(self) -> bool:
        """Whether this is a link to a folder."""
        return self.path.is_dir()

    def file(self) -> StoredFile:
        """The file of this name.

        Raises UnusableFileError if it is not a regular file, OSError if its directory entry cannot
        be read.
        """
        entry = self.path.stat()
        if not stat.S_ISREG(entry.st_mode):
            raise UnusableFileError("is not a regular file")
        return StoredFile(
            name=self.name,
            path=self.path,
            size=entry.st_size,
            mtime_ns=entry.st_mtime_ns,
            inode=entry.st_ino,
        )


@dataclass(frozen=True)
class ObjectEntry:
    """An object below a place in a store."""

    path: Path
    found: StoredObject

    @property
    def name(self) -> str:
        return self.found.name

    def leads_out(self) -> bool:
        return False

    def is_folder(self) -> bool:
        return False

    def file(self) -> StoredFile:
        return StoredFile(
            name=self.found.name,
            path=self.path,
            size=self.found.size,
            mtime_ns=self.found.modified_ns,
            inode=self.found.etag,
        )


def _objects(root: Path, is_ignored: Callable[[str], bool]) -> Iterator[ObjectEntry]:
    all_objects = list(objects_below(root))
    folders = {
        "/".join(parts[:n])
        for parts in (found.name.split("/") for found in all_objects)
        for n in range(1, len(parts))
    }
    for found in all_objects:
        # Some tools write an empty object for a folder.
        is_marker = found.size == 0 and found.name in folders
        if not is_marker and not any(map(is_ignored, found.name.split("/"))):
            yield ObjectEntry(root / found.name, found)


def walk(root: Path, is_ignored: Callable[[str], bool]) -> Iterator[FolderEntry | ObjectEntry]:
    """The names of all files below a folder, in a fixed order.

    Ignored names, and everything below ignored folders, are left out. Links to folders are among
    the names and are not followed. Raises OSError, with its `filename`, if the folder or one below
    it is not there or cannot be read, and CallbillError if a store does not answer.
    """

    if is_in_store(root):
        yield from _objects(root, is_ignored)
        return

    def stop(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(root, onerror=stop):
        folders[:] = sorted(name for name in folders if not is_ignored(name))
        names += [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted(names):
            if not is_ignored(name):
                yield FolderEntry(root, Path(folder, name))
