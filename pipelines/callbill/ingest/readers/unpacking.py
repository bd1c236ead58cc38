"""Decompresses files before they are read. DuckDB would not notice that a file is broken off."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard
from callbill.ingest.readers.lines import CHUNK, UnreadableFileError

# In bytes. The whole result of a chunk is in memory at once, and can be 30,000 times as long.
_ZSTD_CHUNK = 8 * 1024


def decompress(path: Path, compression: str, target: Path) -> None:
    """Write a compressed file's content to `target`. Raises UnreadableFileError if the file is
    damaged or broken off."""
    if path.stat().st_size == 0:
        raise UnreadableFileError("is empty, which no compressed file is")
    with path.open("rb") as source, target.open("wb") as sink:
        for chunk in _CHUNKS[compression](source):
            sink.write(chunk)


def _gzip_chunks(source: BinaryIO) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=source) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"does not decompress to its end: {error}") from error


def _zstd_chunks(source: BinaryIO) -> Iterator[bytes]:
    """The content of all frames. The library's own reader would not notice a missing end."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    data, inside = source.read(_ZSTD_CHUNK), False
    try:
        while data:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(data)
            inside = not frame.eof
            data = (frame.unused_data if frame.eof else b"") or source.read(_ZSTD_CHUNK)
    except zstandard.ZstdError as error:
        raise UnreadableFileError(f"does not decompress to its end: {error}") from error
    if inside:
        raise UnreadableFileError("does not decompress to its end: it ends inside a frame")


_CHUNKS = {".gz": _gzip_chunks, ".zst": _zstd_chunks}


def open_unpacked(source: BinaryIO, compression: str) -> BinaryIO:
    """A file's uncompressed content as a stream. Reading it raises UnreadableFileError if the file
    is damaged or broken off."""
    if not compression:
        return source
    return _Chunks(_CHUNKS[compression](source))  # type: ignore[return-value]


class _Chunks:
    """A stream of chunks. A read returns the next chunk, whatever size is asked for."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, _size: int) -> bytes:
        return next((chunk for chunk in self._chunks if chunk), b"")
