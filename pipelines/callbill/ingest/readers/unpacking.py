"""Unpacks files before they are read. DuckDB would not notice that a file is broken off."""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cramjam
import zstandard
from callbill.ingest.landing import BY_FIRST_BYTES
from callbill.ingest.readers.lines import CHUNK, UnreadableFileError
from callbill.storage.archives import DamagedArchiveError, member_chunks
from isal import igzip, isal_zlib

# In bytes. The whole result of a chunk is in memory at once, and can be 30,000 times as long.
_ZSTD_CHUNK = 8 * 1024
# zstd --long=29. The window is held in memory, by each of two threads.
_MAX_ZSTD_WINDOW = 2**29
# What is larger and unpacks to more than so many times its size is no log but a trap.
_BELIEVED_BYTES = 4 * 2**30
_MAX_RATIO = 500
# A file of snappy is unpacked as a whole, in memory.
_MAX_SNAPPY = 2**30
_SNAPPY_FRAMES = b"\xff\x06\x00\x00sNaPpY"
_FIRST_BYTES = {
    b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"BZh": ".bz2", _SNAPPY_FRAMES: ".snappy",
}  # fmt: skip


def unpack(source: Path, member: int | None, compression: str, target: Path) -> Path:
    """The path of a file's own content: that of the file itself if it is not packed, otherwise
    `target`, which is written. `member` is the file's place in a .zip.

    Raises UnreadableFileError if the file is damaged, broken off, encrypted, or unpacks to more
    than any log.
    """
    if member is not None:
        copy = target.with_name(target.name + ".member") if compression else target
        _write(_member_chunks(source, member), source.stat().st_size, copy)
        source = copy
    if compression == BY_FIRST_BYTES:
        compression = _compression_of(source)
    if not compression:
        return source
    if source.stat().st_size == 0:
        raise UnreadableFileError("is empty, which no compressed file is")
    with source.open("rb") as stream:
        _write(_CHUNKS[compression](stream), source.stat().st_size, target)
    return target


def _write(chunks: Iterator[bytes], packed_size: int, target: Path) -> None:
    size = 0
    with target.open("wb") as sink:
        for chunk in chunks:
            size += len(chunk)
            if size > max(_BELIEVED_BYTES, packed_size * _MAX_RATIO):
                raise UnreadableFileError(
                    f"unpacks to more than {_MAX_RATIO} times its size, as no log does"
                )
            sink.write(chunk)


def _compression_of(path: Path) -> str:
    """The compression that a file's first bytes speak of."""
    with path.open("rb") as stream:
        first = stream.read(max(map(len, _FIRST_BYTES)))
    for beginning, compression in _FIRST_BYTES.items():
        if first.startswith(beginning):
            return compression
    return ""


def _member_chunks(path: Path, member: int) -> Iterator[bytes]:
    try:
        yield from member_chunks(path, member)
    except DamagedArchiveError as error:
        raise UnreadableFileError(str(error)) from error


def _gzip_chunks(source: BinaryIO) -> Iterator[bytes]:
    try:
        with igzip.IGzipFile(fileobj=source) as stream:  # type: ignore[no-untyped-call]
            while chunk := stream.read(CHUNK):
                yield chunk
    except (OSError, EOFError, isal_zlib.error) as error:  # type: ignore[misc]
        raise UnreadableFileError(f"does not decompress to its end: {error}") from error


def _bzip2_chunks(source: BinaryIO) -> Iterator[bytes]:
    """The content of all streams, never more than a chunk of it at once."""
    stream = bz2.BZ2Decompressor()
    data, is_inside = source.read(CHUNK), False
    try:
        while data or (is_inside and not stream.needs_input):
            chunk = stream.decompress(data, CHUNK)
            is_inside = not stream.eof
            yield chunk
            if stream.eof:
                data = stream.unused_data or source.read(CHUNK)
                if data:
                    stream = bz2.BZ2Decompressor()
            else:
                data = source.read(CHUNK) if stream.needs_input else b""
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"does not decompress to its end: {error}") from error
    if is_inside:
        raise UnreadableFileError("does not decompress to its end: it ends inside a stream")


def _zstd_chunks(source: BinaryIO) -> Iterator[bytes]:
    """The content of all frames. The library's own reader would not notice a missing end."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW)
    frame = decompressor.decompressobj()
    data, inside = source.read(_ZSTD_CHUNK), False
    try:
        while data:
            if frame.eof:
                frame = decompressor.decompressobj()
            yield frame.decompress(data)
            inside = not frame.eof
            data = (frame.unused_data if frame.eof else b"") or source.read(_ZSTD_CHUNK)
    except zstandard.ZstdError as error:
        if "requires too much memory" in str(error):
            raise UnreadableFileError(
                f"needs a window of more than {_MAX_ZSTD_WINDOW >> 20} MiB to decompress: compress "
                f"it with at most --long={_MAX_ZSTD_WINDOW.bit_length() - 1}"
            ) from error
        raise UnreadableFileError(f"does not decompress to its end: {error}") from error
    if inside:
        raise UnreadableFileError("does not decompress to its end: it ends inside a frame")


def _snappy_chunks(source: BinaryIO) -> Iterator[bytes]:
    """The content of a raw block, as clouds deliver logs. It begins with its length."""
    packed = source.read(_MAX_SNAPPY + 1)
    if packed.startswith(_SNAPPY_FRAMES):
        raise UnreadableFileError(
            "is snappy in frames, which do not say where they end: have it delivered as .gz or .zst"
        )
    try:
        size = cramjam.snappy.decompress_raw_len(packed)
        if max(size, len(packed)) > _MAX_SNAPPY:
            raise UnreadableFileError(
                f"is snappy of more than {_MAX_SNAPPY >> 20} MiB: have it delivered in smaller "
                "files, or as .gz or .zst"
            )
        yield bytes(cramjam.snappy.decompress_raw(packed))
    except cramjam.DecompressionError as error:
        raise UnreadableFileError(f"does not decompress to its end: {error}") from error


_CHUNKS = {
    ".gz": _gzip_chunks, ".zst": _zstd_chunks, ".bz2": _bzip2_chunks,
    ".snappy": _snappy_chunks,
}  # fmt: skip
