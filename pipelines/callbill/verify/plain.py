"""What is no plain lines: documents, texts that a shape takes apart, records within pages.

A copy on purpose of ingest/readers/documents.py and flattening.py, by what docs/landing.md and
docs/shapes.md say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from callbill.ingest.readers.json_lines import json_lines
from callbill.ingest.readers.lines import MAX_LINE_BYTES, BadLine, UnreadableFileError
from callbill.ingest.shapes import Shape, flat_key, parent_of, parts_of
from callbill.verify.identifiers import strip_name
from callbill.verify.json_texts import (
    JsonObject,
    ObjectWithRepeats,
    as_object,
    decode,
    parse_object,
)

_BLANKS = " \t\n\r\x0b\x0c\x1e"
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{\]}]', re.DOTALL)
_BARE = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,\[\]{}"]+', re.DOTALL)


# A blank line: it is no record, but has a number.
BLANK: JsonObject = {}


class _MalformedError(Exception):
    """A record that does not count."""


def objects_of(path: Path, kind: str, shape: Shape) -> Iterator[JsonObject | None] | None:
    """The records of a file that is no plain JSON lines, None for one that does not count. No
    iterator if the file is plain lines. Raises UnreadableFileError."""
    if shape.pattern is not None:
        return _matched(path, shape)
    first = _first_line(path)
    if shape.reading_rules < 2 or (kind == "json" and not shape.is_flattened and first == ""):
        if shape.reading_rules < 2 or not _begins_an_array(path):
            return None
        kind = "document"
    if kind != "json" and not isinstance(first, dict | list):
        return _of_values(_values(path.read_text("utf-8-sig", "surrogateescape")), shape)
    if not shape.is_flattened and (
        first is None
        or (isinstance(first, dict) and (kind == "json" or _held(first, shape) is None))
    ):
        return None
    if shape.is_flattened or kind == "json":
        return _of_values(_line_texts(path, shape.reading_rules), shape)
    return _of_values(_values(path.read_text("utf-8-sig", "surrogateescape")), shape)


def _first_line(path: Path) -> Any:
    """The value of the first line: None if the file has none, "" if the line is none."""
    with path.open("rb") as stream:
        for line in stream:
            if text := line.removeprefix(b"\xef\xbb\xbf").strip():
                value = decode(text.decode("utf-8", "surrogateescape"))
                return value if isinstance(value, dict | list) else ""
    return None


def _begins_an_array(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _line_texts(path: Path, reading_rules: int) -> Iterator[str | None]:
    """The lines of a file: blank ones as blank, those that cannot be read as None."""
    expected = 1
    with path.open("rb") as stream:
        for line in json_lines(stream, reading_rules):
            yield from [""] * (line.number - expected)
            expected = line.number + 1
            yield None if isinstance(line, BadLine) else line.values[0]


def _matched(path: Path, shape: Shape) -> Iterator[JsonObject | None]:
    pattern = re.compile(shape.pattern or "")
    with path.open("rb") as stream:
        for number, line in enumerate(stream.read().split(b"\n"), 1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                yield BLANK
                continue
            try:
                match = pattern.fullmatch(line.decode("utf-8").strip("\r"))
            except UnicodeDecodeError:
                match = None
            if match is None:
                yield None
                continue
            values = {name: text for name, text in match.groupdict().items() if text is not None}
            yield _flat(values, values, shape)


# --- values --------------------------------------------------------------------------------------


def _values(text: str) -> Iterator[str]:
    """The values in a text, by their brackets; of an array at the top its elements."""
    at = _after_blanks(text, 0)
    while at < len(text):
        if text[at] != "[":
            end = _end(text, at)
            yield _of_length(text[at:end])
            at = _after_blanks(text, end)
            at += text[at : at + 1] == ","
        else:
            at = _after_blanks(text, at + 1)
            while text[at : at + 1] != "]":
                if at >= len(text):
                    raise UnreadableFileError("ends inside an array")
                end = _end(text, at)
                yield _of_length(text[at:end])
                at = _after_blanks(text, end)
                if text[at : at + 1] == ",":
                    at = _after_blanks(text, at + 1)
                elif text[at : at + 1] not in ("]", ""):
                    raise UnreadableFileError("has an array without commas")
            at += 1
        at = _after_blanks(text, at)


def _after_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANKS:
        at += 1
    return at


def _end(text: str, at: int) -> int:
    if text[at] not in "[{":
        if (match := _BARE.match(text, at)) is None:
            raise UnreadableFileError("has no value where one should be")
        return match.end()
    open_brackets = 0
    for match in _BRACKET.finditer(text, at):
        open_brackets += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        if open_brackets == 0:
            return match.end()
    raise UnreadableFileError("ends inside a value")


def _of_length(value: str) -> str:
    if len(value.encode("utf-8", "surrogateescape")) > MAX_LINE_BYTES:
        raise UnreadableFileError("has a value that is too long")
    return value


# --- records -------------------------------------------------------------------------------------


def _of_values(
    values: Iterator[str] | Iterator[str | None], shape: Shape
) -> Iterator[JsonObject | None]:
    for text in values:
        if text is not None and not text.strip():
            yield BLANK
        elif text is None:
            yield None
        elif not shape.is_flattened:
            value = parse_object(text.strip())
            held = _batch(text) if value is None else _held(value, shape)
            if not held:
                yield value
            else:
                yield from held
        else:
            yield from _flattened(text, shape)


def _batch(text: str) -> list[JsonObject] | None:
    """The records of an array of objects."""
    value = decode(text.strip()) if text.lstrip()[:1] == "[" else None
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return value
    return None


def _held(value: JsonObject, shape: Shape) -> list[JsonObject] | None:
    """The records of an object that has no key of a record, and one list of objects."""
    known = {parts_of(path)[0].lower() for path in shape.paths}
    if known & {key.strip().lower() for key in value}:
        return None
    lists = [
        one
        for one in value.values()
        if isinstance(one, list) and one and all(isinstance(record, dict) for record in one)
    ]
    return lists[0] if len(lists) == 1 else None


def _flattened(text: str, shape: Shape) -> Iterator[JsonObject | None]:
    value = decode(text.strip())
    if value is None:
        yield None
        return
    for top in value if isinstance(value, list) else [value]:
        if not isinstance(top, dict):
            yield None
            continue
        try:
            for record, above in _records(top, shape):
                yield _flat(record, above, shape)
        except _MalformedError:
            yield None


def _records(top: JsonObject, shape: Shape) -> Iterator[tuple[Any, JsonObject]]:
    """Each record with the object above, in which lists on the way are the element taken."""
    ways = [parts_of(path) for path in shape.records]
    steps = next((way for way in ways if _pick(top, way[0]) is not None), ways[0] if ways else ())
    if not steps:
        yield top, top
        return

    def go(value: Any, depth: int, taken: list[Any]) -> Iterator[tuple[Any, JsonObject]]:
        if depth == len(steps):
            yield value, _with_taken(top, steps, taken)
            return
        if not isinstance(value, dict):
            raise _MalformedError
        inner = _pick(value, steps[depth])
        if inner is None:
            raise _MalformedError
        for element in inner if isinstance(inner, list) else [inner]:
            yield from go(element, depth + 1, [*taken, element])

    yield from go(top, 0, [])


def _with_taken(top: JsonObject, steps: tuple[str, ...], taken: list[Any]) -> JsonObject:
    """The top object with, in place of each list on the way but the last, the element taken."""
    if len(steps) == 1:
        return top
    inner = taken[0] if isinstance(taken[0], dict) else {}
    return {**top, steps[0]: _with_taken(inner, steps[1:], taken[1:])}


def _flat(record: Any, above: JsonObject, shape: Shape) -> JsonObject | None:
    """The values at the shape's paths, by the names of its flat form; None if it is malformed."""
    if not isinstance(record, dict):
        return None
    known: dict[str, Any] = {"": record, "$": above}

    def at(path: str) -> Any:
        if path not in known:
            known[path] = _opened(_below(at(parent_of(path)), parts_of(path)[-1]), path, shape)
        return known[path]

    try:
        flat = {
            flat_key(name, number): value
            for name, paths in shape.fields.items()
            for number, path in enumerate(paths)
            if (value := at(path)) is not None
        }
        codes = shape.fields.get("error_code", ())
        is_error = any(at(parent) is not None for parent in shape.error_parents)
    except _MalformedError:
        return None
    has_code = any(flat_key("error_code", number) in flat for number in range(len(codes)))
    return None if is_error and not has_code else flat


def _below(value: Any, key: str) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _MalformedError
    return _pick(value, key)


def _pick(value: Mapping[str, Any], key: str) -> Any:
    """The member whose key is that, whatever its capitals. Two of them are a fault."""
    alike = [name for name in value if strip_name(name) == key.lower()]
    repeated = value.repeated_keys if isinstance(value, ObjectWithRepeats) else set()
    if len(alike) > 1 or repeated & set(alike):
        raise _MalformedError
    return value[alike[0]] if alike else None


def _opened(value: Any, path: str, shape: Shape) -> Any:
    """A value, taken out of the text or the list that holds it."""
    if path in shape.json_text and type(value) is str and value.strip()[:1] in ("{", "["):
        inner = decode(value)
        value = value if inner is None else inner
    if path in shape.key_value_lists and isinstance(value, list):
        pairs = []
        for pair in value:
            if not isinstance(pair, dict):
                raise _MalformedError
            name, inner = _pick(pair, "key"), _pick(pair, "value")
            if isinstance(inner, dict) and len(inner) == 1 and next(iter(inner)).endswith("Value"):
                [inner] = inner.values()
            if isinstance(name, str):
                pairs.append((name, inner))
        value = as_object(pairs)
    return value
