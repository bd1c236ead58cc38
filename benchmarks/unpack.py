"""Unpacks files and does nothing with what comes out."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import zstandard

AT_ONCE = 1024 * 1024


def unpacked(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        reader: IO[bytes] = (
            gzip.GzipFile(fileobj=stream)  # type: ignore[assignment]
            if path.suffix == ".gz"
            else zstandard.ZstdDecompressor().stream_reader(stream)
        )
        while block := reader.read(AT_ONCE):
            yield block


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for _ in unpacked(Path(name)):
            pass
