"""Reads a JSON document of the vendor's bills, such as a saved answer of an API, as one line."""

from __future__ import annotations

import codecs
import json
from itertools import islice
from pathlib import Path

from callbill.ingest.readers.documents import values_of
from callbill.ingest.readers.lines import CHUNK, UnreadableFileError

# A page has up to 100 items, so these are a hundred million.
_MOST_PAGES = 1_000_000


def pages_as_lines(path: Path, target: Path) -> Path:
    """Write the pages of a document as lines: pages one after the other, or an array of pages. A
    document that is one page, one item or an array of items is one line."""
    try:
        values = list(islice(values_of(path), _MOST_PAGES))
    except UnreadableFileError:
        return document_as_line(path, target)
    has_pages = _is_page(values[0]) if _begins_a_list(path) and values else len(values) > 1
    if not has_pages:
        return document_as_line(path, target)
    with target.open("wb") as sink:
        for value in values:
            sink.write(value.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n")
    return target


def _begins_a_list(path: Path) -> bool:
    with path.open("rb") as source:
        return source.read(4096).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")


def _is_page(value: bytes) -> bool:
    try:
        page = json.loads(value)
    except (ValueError, RecursionError):
        return False
    return isinstance(page, dict) and bool({"Response", "DetailSet", "Data"} & page.keys())


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
