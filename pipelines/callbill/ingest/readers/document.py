"""A JSON document, which is brought into one line: an API's answer as it was saved."""

from __future__ import annotations

import codecs
from pathlib import Path

from callbill.ingest.readers.lines import CHUNK


def document_as_line(path: Path, target: Path) -> None:
    """Write a JSON document out as one line. A list is what an answer lists."""
    with path.open("rb") as source, target.open("wb") as sink:
        chunk = source.read(CHUNK).removeprefix(codecs.BOM_UTF8).lstrip()
        is_list = chunk.startswith(b"[")
        if is_list:
            sink.write(b'{"DetailSet":')
        while chunk:
            # Within its texts there are no line ends.
            sink.write(chunk.replace(b"\n", b" "))
            chunk = source.read(CHUNK)
        if is_list:
            sink.write(b"}")
