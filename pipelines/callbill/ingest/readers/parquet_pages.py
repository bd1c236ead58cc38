"""Checks the pages of a Parquet file before DuckDB reads it: their sizes, and their checksums.

A damaged header can say that a page takes gigabytes. DuckDB would ask for that much memory, and
another thread that wants four kilobytes meanwhile would be told that the machine has no more.

A writer may put a CRC-32 into the header of each page. DuckDB does not look at it, and a flipped
bit would be another account number. So the headers are read here: they and the footer are Thrift
in its compact protocol, of which this reads what it needs.

https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callbill.ingest.readers.lines import UnreadableFileError

_MAGIC = b"PAR1"
# Ids of fields in parquet.thrift.
_ROW_GROUPS = 4
_COLUMNS = 1
_META_DATA = 3
_NUM_VALUES, _TOTAL_UNPACKED_SIZE, _TOTAL_COMPRESSED_SIZE = 5, 6, 7
_DATA_PAGE_OFFSET, _DICTIONARY_PAGE_OFFSET = 9, 11
_PAGE_TYPE, _UNPACKED_SIZE, _COMPRESSED_SIZE, _CRC, _DATA_PAGE, _DATA_PAGE_V2 = 1, 2, 3, 4, 5, 8
# The part of a header that pages of each type have.
_PARTS = {0: _DATA_PAGE, 1: 6, 2: 7, 3: _DATA_PAGE_V2}

# Zstandard makes at most 128 KiB of 4 bytes. Below 256 MiB any size is believed.
_MAX_RATIO = 32 * 1024
_BELIEVED_BYTES = 256 * 2**20

_Struct = dict[int, Any]


def check_pages(path: Path, *, checksums: bool) -> None:
    """Raises UnreadableFileError if a page cannot have the size in its header or, if `checksums`
    count, does not have the checksum in it.

    A file whose footer cannot be read is left to DuckDB. In a file with checksums every header must
    be readable and agree with the footer: a damaged one could hide its own checksum, and none has
    one of itself.
    """
    if path.stat().st_size < 12:
        return
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        has_checksums = is_damaged = False
        for column in _columns(data):
            try:
                for header, page in _pages_of_column(data, column):
                    if _CRC not in header or not checksums:
                        continue
                    has_checksums = True
                    if zlib.crc32(page) != header[_CRC] & 0xFFFFFFFF:
                        raise UnreadableFileError(
                            "is damaged: a page of it does not have the checksum that it was "
                            "written with"
                        )
            except _NOT_PAGES:
                is_damaged = True
        if has_checksums and is_damaged:
            raise UnreadableFileError(
                "is damaged: it has checksums, but not all of its pages can be found"
            )


def _columns(data: mmap.mmap) -> list[_Struct]:
    """What the footer says of each column of each row group; nothing if it cannot be read."""
    footer_length = int.from_bytes(data[-8:-4], "little")
    if data[-4:] != _MAGIC or footer_length > len(data) - 12:
        return []
    try:
        footer, _end = _read_struct(data, len(data) - 8 - footer_length)
        columns = [column for group in footer[_ROW_GROUPS] for column in group[_COLUMNS]]
        return [column[_META_DATA] for column in columns if column.get(_META_DATA) is not None]
    except _NOT_PAGES:
        return []


def _pages_of_column(data: mmap.mmap, meta_data: _Struct) -> Iterator[tuple[_Struct, memoryview]]:
    """The header and the bytes of every page. Raises one of _NOT_PAGES if they are not what the
    footer says."""
    position = meta_data[_DATA_PAGE_OFFSET]
    dictionary = meta_data.get(_DICTIONARY_PAGE_OFFSET)
    if dictionary:
        position = min(position, dictionary)
    values = total_packed = total_unpacked = 0
    while values < meta_data[_NUM_VALUES]:
        begin = position
        header, position = _read_struct(data, position)
        packed, unpacked = header[_COMPRESSED_SIZE], header[_UNPACKED_SIZE]
        end = position + packed
        may_be = 0 <= packed <= len(data) - position and unpacked >= 0
        if not may_be or unpacked > max(_BELIEVED_BYTES, packed * _MAX_RATIO):
            raise UnreadableFileError("is damaged: a page of it cannot have the size that it says")
        with memoryview(data) as whole, whole[position:end] as page:
            yield header, page
        # A data page that calls itself a dictionary has no values of its own.
        if _PARTS.get(header[_PAGE_TYPE]) not in header:
            raise _ThriftError
        total_packed += end - begin
        total_unpacked += position - begin + unpacked
        values += (header.get(_DATA_PAGE) or header.get(_DATA_PAGE_V2) or {}).get(1, 0)
        position = end
    totals = (meta_data[_TOTAL_COMPRESSED_SIZE], meta_data[_TOTAL_UNPACKED_SIZE])
    if (total_packed, total_unpacked) != totals:
        raise _ThriftError


# --- Thrift's compact protocol -------------------------------------------------------------------

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


class _ThriftError(Exception):
    """Bytes that are not Thrift, or not what the footer says."""


_NOT_PAGES = (IndexError, KeyError, TypeError, AttributeError, _ThriftError)


def _read_struct(data: mmap.mmap, position: int) -> tuple[_Struct, int]:
    """A struct by the ids of its fields, and the position after it."""
    fields: _Struct = {}
    field_id = 0
    while True:
        byte = data[position]
        position += 1
        if byte == 0:
            return fields, position
        if byte >> 4:
            field_id += byte >> 4
        else:
            value, position = _read_varint(data, position)
            field_id = _zigzag(value)
        if byte & 15 in (_TRUE, _FALSE):
            fields[field_id] = byte & 15 == _TRUE
        else:
            fields[field_id], position = _read_value(data, position, byte & 15)


def _read_value(data: mmap.mmap, position: int, kind: int) -> tuple[Any, int]:
    if kind in (_I16, _I32, _I64):
        value, position = _read_varint(data, position)
        return _zigzag(value), position
    if kind == _BINARY:
        length, position = _read_varint(data, position)
        return None, _within(data, position + length)
    if kind in (_TRUE, _FALSE, _BYTE):
        return data[position], position + 1
    if kind == _DOUBLE:
        return None, _within(data, position + 8)
    if kind == _STRUCT:
        return _read_struct(data, position)
    if kind in (_LIST, _SET):
        size, position = data[position] >> 4, position + 1
        element = data[position - 1] & 15
        if size == 15:
            size, position = _read_varint(data, position)
        elements = []
        for _ in range(size):
            value, position = _read_value(data, position, element)
            elements.append(value)
        return elements, position
    if kind == _MAP:
        size, position = _read_varint(data, position)
        if size:
            kinds, position = data[position], position + 1
            for _ in range(size):
                _key, position = _read_value(data, position, kinds >> 4)
                _value, position = _read_value(data, position, kinds & 15)
        return None, position
    raise _ThriftError


def _read_varint(data: mmap.mmap, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise _ThriftError


def _zigzag(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


def _within(data: mmap.mmap, position: int) -> int:
    if position > len(data):
        raise _ThriftError
    return position
