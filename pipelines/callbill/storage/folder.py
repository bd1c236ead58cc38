"""Reads a local folder of files, behind a small interface.

It owns what is particular to a file system: folders, links, directory entries. Its callers use only
names and the methods of `StoredFile`. An object store would be a second implementation.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 16 * 1024 * 1024


class UnusableFileError(Exception):
    """A name that is not a readable file. Its text is the reason."""


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file, with the state of its directory entry when the folder was listed."""

    # Relative to the folder, with forward slashes. Bytes that are not UTF-8 are escaped.
    name: str
    path: Path
    size: int
    mtime_ns: int
    inode: int

    @property
    def entry(self) -> tuple[str, int, int, int]:
        """The key of the file's content: as long as it is the same, so is the content."""
        return self.name, self.size, self.mtime_ns, self.inode

    def is_unchanged(self) -> bool:
        """Whether the directory entry is still the same."""
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
            return digest_of(self.path)
        except OSError:
            return None


def digest_of(path: Path) -> str:
    """The SHA-256 of a file's bytes. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        # Large blocks: after each the thread waits for the interpreter (imports_ahead.py).
        block = bytearray(min(max(os.fstat(stream.fileno()).st_size, 1), _BLOCK))
        while length := stream.readinto(block):
            digest.update(memoryview(block)[:length])
    return digest.hexdigest()


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


def walk(root: Path, is_ignored: Callable[[str], bool]) -> Iterator[FolderEntry]:
    """The names of all files below a folder, in a fixed order.

    Ignored names, and everything below ignored folders, are left out. Links to folders are among
    the names and are not followed. Raises OSError, with its `filename`, if the folder or one below
    it is not there or cannot be read.
    """

    def stop(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(root, onerror=stop):
        folders[:] = sorted(name for name in folders if not is_ignored(name))
        names += [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted(names):
            if not is_ignored(name):
                yield FolderEntry(root, Path(folder, name))
