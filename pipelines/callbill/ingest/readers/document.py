"""Reads a JSON document of the vendor's bills, such as a saved answer of an API, as one line."""

from __future__ import annotations

import codecs
from pathlib import Path

from callbill.ingest.readers.lines import CHUNK


def document_as_line(path: Path, target: Path) -> Path:
    """Write a JSON document as one line. A bare list becomes the `DetailSet` of an object."""
    with path.open("rb") as source, target.open("wb") as sink:
        chunk = source.read(CHUNK).removeprefix(codecs.BOM_UTF8).lstrip()
        is_list = chunk.startswith(b"[")
        if is_list:
            sink.write(b'{"DetailSet":')
        while chunk:
            # JSON strings contain no line ends, so this changes no value.
            sink.write(chunk.replace(b"\n", b" "))
            chunk = source.read(CHUNK)
        if is_list:
            sink.write(b"}")
    return target
