"""Finds the values in JSON that is not lines: documents, pages one after the other, arrays.

A value is found by its brackets alone. Whether it is JSON is judged later, value by value.
"""

from __future__ import annotations

import codecs
import json
import mmap
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from callbill.ingest.readers.lines import MAX_LINE_BYTES, UnreadableFileError

_SIGNS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_SCALAR = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\s,\[\]{}"]+', re.DOTALL)
# Between values: blanks, and the record separator of JSON text sequences.
_BETWEEN = re.compile(rb"[\s\x1e]*")
# Of a first line only so much is looked at.
_FIRST_LINE = MAX_LINE_BYTES


def has_lines(path: Path) -> bool:
    """Whether the first line of a file is a JSON value by itself, or none at all. Then its other
    lines are read as lines too."""
    with path.open("rb") as stream:
        while line := stream.readline(_FIRST_LINE):
            text = line.removeprefix(codecs.BOM_UTF8).strip()
            if text:
                return isinstance(_parsed(text), dict | list)
    return True


def values_of(path: Path) -> Iterator[bytes]:
    """The values of a file that follow one another, each as it is written. Of an array at the top
    the elements are values.

    Raises UnreadableFileError if a value does not end, or is too long to hold in memory.
    """
    if path.stat().st_size == 0:
        return
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = len(codecs.BOM_UTF8) if data[:3] == codecs.BOM_UTF8 else 0
        while (position := _skip(data, position)) < len(data):
            if data[position] == ord("["):
                position = yield from _elements(data, position)
            else:
                end = _end_of(data, position)
                yield _slice(data, position, end)
                position = end
                if data[_skip(data, position) : _skip(data, position) + 1] == b",":
                    position = _skip(data, position) + 1


def _elements(data: mmap.mmap, position: int) -> Generator[bytes, None, int]:
    """The elements of an array that begins here. Returns the position after it."""
    position = _skip(data, position + 1)
    while position < len(data) and data[position] != ord("]"):
        end = _end_of(data, position)
        yield _slice(data, position, end)
        position = _skip(data, end)
        if position < len(data) and data[position] == ord(","):
            position = _skip(data, position + 1)
        elif position < len(data) and data[position] != ord("]"):
            raise UnreadableFileError(
                f"is no JSON document: an array has no comma at byte {position + 1}"
            )
    if position >= len(data):
        raise UnreadableFileError("is no whole JSON document: it ends inside an array")
    return position + 1


def _skip(data: mmap.mmap, position: int) -> int:
    match = _BETWEEN.match(data, position)
    return match.end() if match else position


def _end_of(data: mmap.mmap, position: int) -> int:
    """The position after the value that begins here."""
    if data[position] not in b"[{":
        match = _SCALAR.match(data, position)
        if match is None:
            raise UnreadableFileError(
                f"is no JSON document: no value begins at byte {position + 1}"
            )
        return match.end()
    depth = 0
    for sign in _SIGNS.finditer(data, position):
        first = data[sign.start()]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
            if depth == 0:
                return sign.end()
    raise UnreadableFileError("is no whole JSON document: it ends inside a value")


def _slice(data: mmap.mmap, start: int, end: int) -> bytes:
    if end - start > MAX_LINE_BYTES:
        raise UnreadableFileError(
            f"holds a value of {end - start} bytes, more than {MAX_LINE_BYTES}: write its records "
            "as lines"
        )
    return data[start:end]


def records_held_by(value: dict[str, Any], known: set[str]) -> list[Any] | None:
    """The records that an object holds: those of its only list of objects, if the object has no key
    that a record would have (`known`, in lower case). None if it is no holder."""
    if any(key.strip().lower() in known for key in value):
        return None
    lists = [
        inner
        for inner in value.values()
        if isinstance(inner, list) and inner and all(isinstance(one, dict) for one in inner)
    ]
    return lists[0] if len(lists) == 1 else None


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
