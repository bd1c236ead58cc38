"""Reads .zip archives: lists their members, and unpacks one of them.

A member is known by its place in the archive's list, because names can repeat, and by the name that
it is shown under. An archive may lie in an object store: then only what is asked for is read.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from callbill.base.places import is_in_store
from callbill.storage.objects import open_object

# An archive with more members is refused: reading its list alone could take all memory.
MOST_MEMBERS = 100_000
_BLOCK = 1024 * 1024
_IS_UTF8 = 0x800
_IS_ENCRYPTED = 0x1
# What zipfile raises for a damaged archive, and for one that it cannot unpack.
_FAULTS = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError,
    ValueError,
)  # fmt: skip


class DamagedArchiveError(Exception):
    """An archive, or a member of one, that cannot be unpacked. Its text is the reason."""


@dataclass(frozen=True)
class Member:
    """A file in an archive. `size` is that of its content, as the archive says."""

    index: int
    name: str
    size: int


def list_members(path: Path) -> list[Member]:
    """The files in an archive, in its order. Raises DamagedArchiveError, and OSError if the archive
    cannot be read at all."""
    with _open_archive(path) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_MEMBERS:
            raise DamagedArchiveError(f"is a .zip with more than {MOST_MEMBERS} members")
        # Members that share their bytes can unpack to any size.
        if sum(entry.compress_size for entry in entries) > _size_of(path):
            raise DamagedArchiveError("is a .zip whose members overlap")
        return [
            Member(index, _name_of(entry), entry.file_size)
            for index, entry in enumerate(entries)
            if not entry.is_dir()
        ]


def member_chunks(path: Path, index: int) -> Iterator[bytes]:
    """The content of a member. Its end is checked against its checksum. Raises
    DamagedArchiveError, also while it is read."""
    with _open_archive(path) as archive:
        entry = archive.infolist()[index]
        if entry.flag_bits & _IS_ENCRYPTED:
            raise DamagedArchiveError("is encrypted in its .zip: unpack it with its password")
        with _as_damaged("does not unpack from its .zip"):
            stream = archive.open(entry)
        with stream:
            while True:
                with _as_damaged("does not unpack from its .zip"):
                    chunk = stream.read(_BLOCK)
                if not chunk:
                    return
                yield chunk


def digest_of_member(path: Path, index: int) -> str:
    """The SHA-256 of a member's content. Of one that does not unpack, that of its packed bytes,
    which are all that it is known by."""
    digest = hashlib.sha256()
    try:
        for chunk in member_chunks(path, index):
            digest.update(chunk)
    except DamagedArchiveError:
        return _digest_of_packed(path, index)
    return digest.hexdigest()


def _digest_of_packed(path: Path, index: int) -> str:
    with _open_archive(path) as archive:
        entry = archive.infolist()[index]
    digest = hashlib.sha256(f"{entry.CRC} {entry.file_size} ".encode())
    with _open(path) as stream:
        stream.seek(entry.header_offset)
        left = entry.compress_size + len(entry.orig_filename) + 30
        while left > 0 and (chunk := stream.read(min(left, _BLOCK))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def _size_of(path: Path) -> int:
    with _open(path) as stream:
        return stream.seek(0, os.SEEK_END)


def _name_of(entry: zipfile.ZipInfo) -> str:
    """A member's name. Where the archive does not say that it is UTF-8, it may still be, or GB18030
    as Chinese systems write it."""
    name = entry.filename
    if not entry.flag_bits & _IS_UTF8:
        for encoding in ("utf-8", "gb18030"):
            try:
                name = entry.filename.encode("cp437").decode(encoding)
                break
            except UnicodeError:
                continue
    return name.replace("\\", "/")


@contextmanager
def _open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    with _open(path) as stream:
        with _as_damaged("is no whole .zip"):
            archive = zipfile.ZipFile(stream)
        with archive:
            yield archive


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    if is_in_store(path):
        yield open_object(path)
        return
    with path.open("rb") as stream:
        yield cast(BinaryIO, stream)


@contextmanager
def _as_damaged(what: str) -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        raise DamagedArchiveError(f"{what}: {error or type(error).__name__}") from error
