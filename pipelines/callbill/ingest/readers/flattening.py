"""Writes out what is no plain JSON lines as such: a record a line, with a key for each path.

Shapes that say where in a document the records are, which texts hold JSON, or how a line of text
falls into values, are read in two steps: this one finds the value at each path, and the readers of
JSON lines take it from there. So it knows nothing of fields: which value counts, and what is
missing, is judged as everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from callbill.ingest.readers.columns import plain_name
from callbill.ingest.readers.documents import has_lines, records_held_by, values_of
from callbill.ingest.readers.json_lines import numbered_lines
from callbill.ingest.readers.lines import BadLine, bad_line
from callbill.ingest.shapes import Shape, flat_key, parent_of, parts_of


class _Number(str):
    """The text of a number, of which no digit is lost."""

    __slots__ = ()


class _Repeats(dict[str, Any]):
    """An object in which keys occur twice, whatever their capitals. Both are kept."""

    repeated: frozenset[str]


class _FaultError(Exception):
    """Why a record cannot be written out: a reason code."""


def is_plain_lines(path: Path, shape: Shape) -> bool:
    """Whether the lines of a file of JSON are its records, as they are."""
    if shape.is_flattened or not has_lines(path):
        return False
    for _number, raw in _lines(path):
        if isinstance(raw, BadLine) or not raw.strip():
            continue
        value = _decoded(raw)
        return isinstance(value, dict) and records_held_by(value, _top_keys(shape)) is None
    return True


def write_lines(path: Path, kind: str, shape: Shape, target: Path) -> list[BadLine]:
    """Write the records of a file as lines, and return those that cannot be. In place of each of
    these is a blank line. `kind` is that of the file: json, document or text.

    Raises UnreadableFileError.
    """
    bad: list[BadLine] = []
    number = 0
    with target.open("wb") as sink:
        for raw in _values(path, kind, shape):
            for line in _records(raw, shape):
                number += 1
                if isinstance(line, bytes):
                    sink.write(line)
                elif isinstance(line, str):
                    bad.append(bad_line(number, line, raw if isinstance(raw, bytes) else b""))
                else:
                    bad.append(BadLine(number, line.reason, line.length, line.sha256))
                sink.write(b"\n")
    return bad


def value_at(path: Path, kind: str, shape: Shape, number: int) -> bytes | None:
    """The line or value of a file that holds the record of this number, None if there is none."""
    records = 0
    for raw in _values(path, kind, shape):
        records += sum(1 for _line in _records(raw, shape))
        if records >= number:
            return raw if isinstance(raw, bytes) else f"({raw.length} bytes)".encode()
    return None


def _values(path: Path, kind: str, shape: Shape) -> Iterator[bytes | BadLine]:
    """The values of a file: lines, or the values of a document."""
    if kind == "json" or shape.pattern or (shape.is_flattened and has_lines(path)):
        for _number, raw in _lines(path):
            yield raw
    else:
        yield from values_of(path)


def _lines(path: Path) -> Iterator[tuple[int, bytes | BadLine]]:
    with path.open("rb") as stream:
        for number, raw in numbered_lines(stream):
            if number == 1 and isinstance(raw, bytes):
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            yield number, raw


def _records(raw: bytes | BadLine, shape: Shape) -> Iterator[bytes | str | BadLine]:
    """The lines to write for a value; a reason for one that cannot be written."""
    if isinstance(raw, BadLine) or not raw.strip():
        yield raw if isinstance(raw, BadLine) else b""
        return
    if shape.pattern is not None:
        yield _of_text(raw, shape)
        return
    if not shape.is_flattened:
        yield from _unchanged(raw, shape)
        return
    value = _decoded(raw)
    if value is None:
        yield "invalid_json"
        return
    for top in value if isinstance(value, list) else [value]:
        try:
            for record, above in _records_in(top, shape):
                yield _flat_or_reason(record, above, shape)
        except _FaultError as fault:
            yield str(fault)


def _unchanged(raw: bytes, shape: Shape) -> Iterator[bytes]:
    """The records of a shape whose records are lines as they are."""
    # JSON strings contain no line ends, so this changes no value.
    as_line = re.sub(rb"[\r\n]", b" ", raw)
    value = _decoded(raw) if raw.lstrip()[:1] in (b"{", b"[") else None
    held = value if isinstance(value, list) and all(isinstance(r, dict) for r in value) else None
    if isinstance(value, dict):
        held = records_held_by(value, _top_keys(shape))
    if not held:
        yield as_line
        return
    for record in held:
        yield _as_json(record).encode("utf-8", "replace")


def _top_keys(shape: Shape) -> set[str]:
    return {parts_of(path)[0].lower() for path in shape.paths}


def _of_text(raw: bytes, shape: Shape) -> bytes | str:
    """A line of text, taken apart by the shape's pattern."""
    try:
        text = raw.decode("utf-8").strip("\r")
    except UnicodeDecodeError:
        return "invalid_encoding"
    match = _pattern(shape.pattern or "").fullmatch(text)
    if match is None:
        return "unknown_form"
    groups = {name: value for name, value in match.groupdict().items() if value is not None}
    return _flat_or_reason(groups, groups, shape)


def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


# --- from a value to its records -----------------------------------------------------------------


def _records_in(top: Any, shape: Shape) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each record in a value, with the objects above it. Raises _FaultError."""
    if not isinstance(top, dict):
        raise _FaultError("not_an_object")
    if not shape.records:
        yield top, top
        return
    paths = [parts_of(path) for path in shape.records]
    path = next((path for path in paths if _member(top, path[0]) is not None), paths[0])
    yield from _descend(top, path)


def _descend(value: dict[str, Any], parts: tuple[str, ...]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The records at a path, each with the object above as it is on the way to it: where the path
    leads through a list, the object has only the element that was taken."""
    found = _member(value, parts[0])
    if found is None:
        raise _FaultError("no_items")
    for element in found if isinstance(found, list) else [found]:
        if len(parts) == 1:
            yield element, value
        elif isinstance(element, dict):
            for record, below in _descend(element, parts[1:]):
                yield record, {**value, parts[0]: below}
        else:
            raise _FaultError("no_items")


# --- from a record to a line ---------------------------------------------------------------------


def _flat_or_reason(record: Any, above: dict[str, Any], shape: Shape) -> bytes | str:
    try:
        return _flat(record, above, shape)
    except _FaultError as fault:
        return str(fault)
    except UnicodeEncodeError:
        return "invalid_json"


def _flat(record: Any, above: dict[str, Any], shape: Shape) -> bytes:
    """A record as a JSON object with a key for each path that it has a value at."""
    if not isinstance(record, dict):
        raise _FaultError("not_an_object")
    find = _finder(record, above, shape)
    members = []
    for name, paths in shape.fields.items():
        for number, path in enumerate(paths):
            value = find(path)
            if value is not None:
                members.append(f'"{flat_key(name, number)}":{_as_json(value, leaf=True)}')
    codes = shape.fields.get("error_code", ())
    if not any(find(path) is not None for path in codes) and any(
        find(parent) is not None for parent in shape.error_parents
    ):
        raise _FaultError("unknown_outcome")
    return f"{{{','.join(members)}}}".encode()


def _finder(record: dict[str, Any], above: dict[str, Any], shape: Shape) -> Callable[[str], Any]:
    """What finds the value at a path of a record. Each object on the way is opened once."""
    opened: dict[str, Any] = {"": record, "$": above}
    indexes: dict[str, dict[str, list[str]]] = {}
    as_json, as_object = set(shape.json_text), set(shape.key_value_lists)

    def find(path: str) -> Any:
        if path in opened:
            return opened[path]
        parent = find(parent_of(path))
        if parent is None:
            opened[path] = None
            return None
        if not isinstance(parent, dict):
            raise _FaultError("invalid_structure")
        if parent_of(path) not in indexes:
            indexes[parent_of(path)] = _index(parent)
        value = _at(parent, indexes[parent_of(path)].get(parts_of(path)[-1].lower(), []))
        if path in as_json and isinstance(value, str):
            value = _opened_text(value)
        if path in as_object and isinstance(value, list):
            value = _as_object(value)
        opened[path] = value
        return value

    return find


def _member(value: dict[str, Any], key: str) -> Any:
    """The member of an object under a key, whatever its capitals and the blanks around it."""
    return _at(value, _index(value).get(key.lower(), []))


def _index(value: dict[str, Any]) -> dict[str, list[str]]:
    """The keys of an object by the name that they are matched by."""
    index: dict[str, list[str]] = {}
    for name in value:
        index.setdefault(plain_name(name).lower(), []).append(name)
    return index


def _at(value: dict[str, Any], names: list[str]) -> Any:
    repeated = value.repeated if isinstance(value, _Repeats) else ()
    if len(names) > 1 or (names and names[0] in repeated):
        raise _FaultError("duplicate_key")
    return value[names[0]] if names else None


def _opened_text(text: str) -> Any:
    """The JSON in a text, the text itself if it is none."""
    if text.strip()[:1] not in ("{", "["):
        return text
    value = _decoded(text.encode("utf-8", "surrogatepass"))
    return text if value is None else value


def _as_object(pairs: Iterable[Any]) -> Any:
    """A list of objects with a key and a value as an object. Values of OpenTelemetry say their type
    (`{"stringValue": "…"}`)."""
    members: list[tuple[str, Any]] = []
    for pair in pairs:
        if not isinstance(pair, dict):
            raise _FaultError("invalid_structure")
        key, value = _member(pair, "key"), _member(pair, "value")
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)).endswith("Value"):
            value = next(iter(value.values()))
        if isinstance(key, str):
            members.append((key, value))
    return _object(members)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    keys = [key for key, _value in pairs]
    with_repeats = _Repeats(values)
    with_repeats.repeated = frozenset(key for key in keys if keys.count(key) > 1)
    return with_repeats


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_Number, parse_int=_Number, parse_constant=str
)


def _decoded(raw: bytes) -> Any:
    """A JSON value, None if it is none."""
    try:
        return _DECODER.decode(raw.decode("utf-8").strip())
    except (ValueError, RecursionError):
        return None


def _as_json(value: Any, *, leaf: bool = False) -> str:
    """A value as JSON. As a `leaf` an object or array is only said to be one."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        if leaf:
            return "{}"
        return "{" + ",".join(f"{json.dumps(k)}:{_as_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[]" if leaf else f"[{','.join(map(_as_json, value))}]"
    return {None: "null", True: "true", False: "false"}[value]
