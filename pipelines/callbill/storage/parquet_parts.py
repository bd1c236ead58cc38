"""Parquet files of parts: of a file that was written before, the parts that are as they were are
copied as bytes, with what the file's footer says of them.

A part is one or more row groups that follow each other. The footer's key-value metadata lists the
parts: a name and what it was made from, a checksum of its bytes, and how many row groups it has. To
whoever reads the file it is one Parquet file like any other.

The footer is Thrift's compact protocol, whatever fields it has. Of them only the positions in the
file are changed, and the number of rows.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

_MAGIC = b"PAR1"
_KEY = b"callbill.parts"
_AT_ONCE = 1 << 20

# Types of the protocol, and fields of Parquet's structures.
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _STRUCT = 1, 2, 3, 7, 8, 9, 12
_INTEGERS = (4, 5, 6)
_SCHEMA, _ROWS, _GROUPS, _METADATA = 2, 3, 4, 5
_COLUMNS, _GROUP_ROWS, _GROUP_OFFSET, _ORDINAL = 1, 3, 5, 7
_CHUNK_OFFSET, _CHUNK_METADATA = 2, 3
_PAGE_OFFSETS = (9, 10, 11)
# Of bloom filters and indexes, which lie elsewhere in the file.
_POSITIONS_IN_CHUNK, _POSITION_OF_FILTER = (4, 6), 14

# By the number of each field: its type and value.
_Fields = dict[int, tuple[int, Any]]


class NotOfPartsError(Exception):
    """The file is not made of parts, or is damaged."""


@dataclass(frozen=True)
class Part:
    """Rows of a file: their bytes, from `start` to `end`, and their row groups."""

    name: str
    made_from: str
    path: Path
    start: int
    end: int
    checksum: int
    footer: _Fields
    groups: list[_Fields]


def whole_file(path: Path, name: str, made_from: str) -> Part:
    """A file as a part. It has neither bloom filters nor indexes."""
    footer, end = _read_footer(path)
    with path.open("rb") as stream:
        checksum = _copy(stream, len(_MAGIC), end, None)
    groups = footer[_GROUPS][1][1]
    return Part(name, made_from, path, len(_MAGIC), end, checksum, footer, groups)


def parts_of(path: Path) -> dict[str, Part]:
    """The parts of a file by name. Raises NotOfPartsError, also if bytes are not as written."""
    footer, end = _read_footer(path)
    listed = [entry[2][1] for entry in _metadata(footer) if entry[1][1] == _KEY]
    if len(listed) != 1:
        raise NotOfPartsError(path)
    parts = {}
    start, first = len(_MAGIC), 0
    with path.open("rb") as stream:
        for name, made_from, size, checksum, count in json.loads(listed[0]):
            groups = footer[_GROUPS][1][1][first : first + count]
            if start + size > end or checksum != _copy(stream, start, start + size, None):
                raise NotOfPartsError(path)
            parts[name] = Part(name, made_from, path, start, start + size, checksum, footer, groups)
            start, first = start + size, first + count
    return parts


def join(parts: Sequence[Part], target: Path) -> None:
    """Write a file of parts that have the same columns, in their order."""
    footer = dict(parts[-1].footer)
    groups: list[_Fields] = []
    listed = []
    with target.open("wb") as stream:
        stream.write(_MAGIC)
        for part in parts:
            moved = stream.tell() - part.start
            with part.path.open("rb") as source:
                _copy(source, part.start, part.end, stream)
            groups += [_moved(group, moved) for group in part.groups]
            size = part.end - part.start
            listed.append((part.name, part.made_from, size, part.checksum, len(part.groups)))
        footer[_ROWS] = (6, sum(group[_GROUP_ROWS][1] for group in groups))
        footer[_GROUPS] = (_LIST, (_STRUCT, groups))
        entries = [entry for entry in _metadata(footer) if entry[1][1] != _KEY]
        own = {1: (_BINARY, _KEY), 2: (_BINARY, json.dumps(listed).encode())}
        footer[_METADATA] = (_LIST, (_STRUCT, [*entries, own]))
        written = bytearray()
        _write_struct(written, footer)
        stream.write(written + struct.pack("<I", len(written)) + _MAGIC)


def _metadata(footer: _Fields) -> list[_Fields]:
    entries: list[_Fields] = footer[_METADATA][1][1] if _METADATA in footer else []
    return entries


def _moved(group: _Fields, by: int) -> _Fields:
    """A row group whose bytes lie elsewhere by so many."""
    group = dict(group)
    group.pop(_ORDINAL, None)
    chunks = []
    for chunk in group[_COLUMNS][1][1]:
        about = dict(chunk[_CHUNK_METADATA][1])
        for field in _PAGE_OFFSETS:
            _move(about, field, by)
        moved = {**chunk, _CHUNK_METADATA: (_STRUCT, about)}
        _move(moved, _CHUNK_OFFSET, by)
        chunks.append(moved)
    group[_COLUMNS] = (_LIST, (_STRUCT, chunks))
    _move(group, _GROUP_OFFSET, by)
    return group


def _move(fields: _Fields, field: int, by: int) -> None:
    # Zero stands for no position.
    if field in fields and fields[field][1]:
        fields[field] = (fields[field][0], fields[field][1] + by)


def _copy(source: BinaryIO, start: int, end: int, target: BinaryIO | None) -> int:
    """Copy bytes, if there is a target, and return their checksum."""
    source.seek(start)
    checksum = 0
    while start < end:
        some = source.read(min(_AT_ONCE, end - start))
        if not some:
            raise NotOfPartsError(source.name)
        checksum = crc32(some, checksum)
        start += len(some)
        if target is not None:
            target.write(some)
    return checksum


def _read_footer(path: Path) -> tuple[_Fields, int]:
    """A file's footer, and where it begins."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(size - 8, 0))
        last = stream.read(8)
        length = struct.unpack("<I", last[:4])[0] if last[4:] == _MAGIC else size
        if length + 12 > size:
            raise NotOfPartsError(path)
        stream.seek(size - 8 - length)
        data = stream.read(length)
    try:
        footer, _ = _read_struct(data, 0)
        for group in footer[_GROUPS][1][1]:
            for chunk in group[_COLUMNS][1][1]:
                about = chunk[_CHUNK_METADATA][1]
                if _POSITION_OF_FILTER in about or chunk.keys() & set(_POSITIONS_IN_CHUNK):
                    raise NotOfPartsError(path)
    except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:
        raise NotOfPartsError(path) from error
    return footer, size - 8 - length


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _read_value(data: bytes, at: int, type_: int) -> tuple[Any, int]:
    if type_ in _INTEGERS:
        number, at = _read_number(data, at)
        return (number >> 1) ^ -(number & 1), at
    if type_ == _BINARY:
        length, at = _read_number(data, at)
        return data[at : at + length], at + length
    if type_ == _STRUCT:
        return _read_struct(data, at)
    if type_ == _LIST:
        head = data[at]
        count, at = (head >> 4, at + 1) if head >> 4 < 15 else _read_number(data, at + 1)
        values = []
        for _ in range(count):
            value, at = _read_value(data, at, head & 0x0F)
            values.append(value)
        return (head & 0x0F, values), at
    if type_ in (_TRUE, _FALSE, _BYTE):
        return data[at], at + 1
    if type_ == _DOUBLE:
        return data[at : at + 8], at + 8
    raise ValueError(type_)


def _read_struct(data: bytes, at: int) -> tuple[_Fields, int]:
    fields: _Fields = {}
    number = 0
    while True:
        head = data[at]
        at += 1
        if head == 0:
            return fields, at
        if head >> 4:
            number += head >> 4
        else:
            coded, at = _read_number(data, at)
            number = (coded >> 1) ^ -(coded & 1)
        type_ = head & 0x0F
        # The type of a field says whether it is true.
        value, at = (None, at) if type_ in (_TRUE, _FALSE) else _read_value(data, at, type_)
        fields[number] = (type_, value)


def _write_number(out: bytearray, number: int) -> None:
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _write_value(out: bytearray, type_: int, value: Any) -> None:
    if type_ in _INTEGERS:
        _write_number(out, (value << 1) ^ (value >> 63))
    elif type_ == _BINARY:
        _write_number(out, len(value))
        out += value
    elif type_ == _STRUCT:
        _write_struct(out, value)
    elif type_ == _LIST:
        of, values = value
        if len(values) < 15:
            out.append(len(values) << 4 | of)
        else:
            out.append(0xF0 | of)
            _write_number(out, len(values))
        for one in values:
            _write_value(out, of, one)
    elif type_ == _DOUBLE:
        out += value
    else:
        out.append(value)


def _write_struct(out: bytearray, fields: _Fields) -> None:
    last = 0
    for number, (type_, value) in sorted(fields.items()):
        if 0 < number - last < 16:
            out.append((number - last) << 4 | type_)
        else:
            out.append(type_)
            _write_number(out, number << 1)
        last = number
        if type_ not in (_TRUE, _FALSE):
            _write_value(out, type_, value)
    out.append(0)
