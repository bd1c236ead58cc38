"""Recodes text that is not UTF-8, where a feed allows it."""

from __future__ import annotations

import codecs
from pathlib import Path

from callbill.ingest.readers.lines import CHUNK


def as_utf8(path: Path, target: Path) -> Path:
    """The path of a text in UTF-8: its own if it is that, otherwise that of a copy if the text is
    GB18030. A text that is neither is left to the reader, which says so."""
    if _decodes(path, "utf-8") or _is_utf16(path) or not _decodes(path, "gb18030"):
        return path
    decoder = codecs.getincrementaldecoder("gb18030")()
    with path.open("rb") as source, target.open("wb") as sink:
        while chunk := source.read(CHUNK):
            sink.write(decoder.decode(chunk).encode())
        sink.write(decoder.decode(b"", final=True).encode())
    return target


def _is_utf16(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                # A text has no zeros. UTF-16 without a mark has.
                if b"\0" in chunk and encoding != "utf-8":
                    return False
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
