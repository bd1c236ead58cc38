"""JSON objects as rows of texts. Numbers are texts from the start: no digit may be lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from callbill.ingest.readers.lines import BadLine, Line
from callbill.ingest.shapes import Shape, parent_of, parts_of
from callbill.verify.identifiers import says_zero, strip_name
from callbill.verify.rows import (
    UNREADABLE,
    Row,
    code_paths,
    emptiness,
    error_parents,
    malformed_row,
    names_something,
    row_of_texts,
)

# Numbers of which no digit may be lost.
_EXACT = {"discount", "contract_price"}
# The digits that a binary fraction surely keeps.
_SAFE_DIGITS = 15

JsonObject = dict[str, Any]


def json_rows(lines: Iterable[Line | BadLine], shape: Shape) -> Iterator[Row]:
    """A row for each line of a file."""
    to_row = _row_maker(shape)
    for line in lines:
        parsed = None if isinstance(line, BadLine) else parse_object(line.values[0])
        row = None if parsed is None else to_row(parsed, line.number)
        yield row or malformed_row(shape, line.number)


def object_rows(
    objects: Iterable[JsonObject | None], shape: Shape, blank: JsonObject
) -> Iterator[Row]:
    """A row for each object, by its place. None does not count, `blank` is no record."""
    to_row = _row_maker(shape)
    for number, values in enumerate(objects, 1):
        if values is not blank:
            row = None if values is None else to_row(values, number)
            yield row or malformed_row(shape, number)


# --- from a line to an object --------------------------------------------------------------------


class ObjectWithRepeats(JsonObject):
    """An object in which keys occur twice."""

    repeated_keys: set[str]


class _InexactNumber(str):
    """The text of a number of which digits may be lost."""

    __slots__ = ()


def as_object(pairs: list[tuple[str, Any]]) -> JsonObject:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    keys = [key for key, _ in pairs]
    with_repeats = ObjectWithRepeats(values)
    with_repeats.repeated_keys = {key for key in keys if keys.count(key) > 1}
    return with_repeats


def _fraction(text: str) -> str:
    """A number with a fraction or an exponent, as the nearest binary fraction is written."""
    value = repr(float(text))
    if value.endswith("inf"):
        return _InexactNumber(text)
    return _InexactNumber(value) if sum(map(str.isdigit, value)) > _SAFE_DIGITS else value


def _integer(text: str) -> str:
    return "0" if text == "-0" else text


_DECODER = json.JSONDecoder(
    object_pairs_hook=as_object, parse_float=_fraction, parse_int=_integer, parse_constant=str
)

# What the first computation's parser accepts beside JSON, outside of texts: a comma that closes a
# list or an object, and the constants infinity and NaN in any case.
_BEYOND_JSON = re.compile(
    r'(?P<kept>"[^"\\]*(?:\\.[^"\\]*)*"|[\[{,]\s*,)|,(?=\s*[\]}])'
    r"|(?P<constant>-?\b(?:inf|infinity|nan)\b(?!\s*:))",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]')
# No shape looks deeper than this, and Python's parser cannot.
_DEEPEST = 200


def decode(text: str) -> Any:
    """A JSON value, its numbers as texts; None if there is none."""
    try:
        if "\\u" in text or "\udc80" <= max(text, default="") <= "\udfff":
            json.dumps(value := _DECODER.decode(text), ensure_ascii=False).encode()
            text.encode()
            return value
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def parse_object(line: str) -> JsonObject | None:
    """The JSON object in a line, its numbers as texts; None if there is none."""
    if not line.startswith("{"):
        return None
    try:
        try:
            parsed, end = _DECODER.raw_decode(line)
            if end < len(line):
                parsed = _DECODER.decode(line)
        except RecursionError:
            parsed = _DECODER.decode(_without_deep_parts(line))
        except ValueError:
            parsed = _DECODER.decode(_BEYOND_JSON.sub(_as_json, line))
        if "\\u" in line:
            # Half of a surrogate pair is no character, and cannot be written.
            json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _as_json(match: re.Match[str]) -> str:
    if match["kept"]:
        return match["kept"]
    return f'"{match["constant"]}"' if match["constant"] else ""


def _without_deep_parts(line: str) -> str:
    """The line with null for what is nested deeper than any field."""
    kept, depth, start = [], 0, 0
    for bracket in _BRACKETS.finditer(line):
        if bracket[0] in ("[", "{"):
            if depth == _DEEPEST:
                kept.append(line[start : bracket.start()])
            depth += 1
        elif bracket[0] in ("]", "}"):
            depth -= 1
            if depth == _DEEPEST:
                kept.append("null")
                start = bracket.end()
    return "".join([*kept, line[start:]])


# --- from an object to a row ---------------------------------------------------------------------


def _with_known_keys(values: JsonObject, names: Mapping[str, str]) -> JsonObject:
    """An object whose keys are written as the shape has them."""
    if all(names.get(strip_name(key), key) == key for key in values):
        return values
    repeated = values.repeated_keys if isinstance(values, ObjectWithRepeats) else ()
    pairs = [(key, value) for key, value in values.items()]
    pairs += [(key, values[key]) for key in repeated]
    return as_object([(names.get(strip_name(key), key), value) for key, value in pairs])


def _row_maker(shape: Shape) -> Callable[[JsonObject, int], Row | None]:
    """What makes a row of an object and its line number; None of an object that is malformed."""
    fields = [
        (
            [(parent_of(path), parts_of(path)[-1]) for path in shape.fields.get(field, ())],
            emptiness(shape, field),
            names_something(field),
            field in _EXACT,
        )
        for field in shape.feed.fields
    ]
    parents = [path for path in shape.paths_and_parents if path not in shape.paths]
    # The keys that the shape reads of each object. The root is the object without a name.
    keys: dict[str, set[str]] = {parent: set() for parent in ("", *parents)}
    for path in shape.paths_and_parents:
        parent, name = parent_of(path), parts_of(path)[-1]
        keys[parent].add(name)
    errors = error_parents(shape)
    codes = {parent: parts_of(path)[-1] for parent, path in code_paths(shape).items()}
    in_any_case = shape.reading_rules >= 2
    names = {parent: {name.lower(): name for name in some} for parent, some in keys.items()}

    def to_row(root: JsonObject, line_number: int) -> Row | None:
        if in_any_case:
            root = _with_known_keys(root, names[""])
        objects: dict[str, JsonObject] = {"": root}
        has_error = False
        for parent in parents:
            above, name = parent_of(parent), parts_of(parent)[-1]
            inner = objects[above].get(name)
            if inner is not None and not isinstance(inner, dict):
                return None
            if in_any_case and inner is not None:
                inner = _with_known_keys(inner, names[parent])
            has_error = has_error or (
                inner is not None
                and parent in errors
                and not (
                    in_any_case
                    and isinstance(code := inner.get(codes[parent]), str)
                    and says_zero(code, shape)
                )
            )
            objects[parent] = {} if inner is None else inner
        for parent, values in objects.items():
            if isinstance(values, ObjectWithRepeats) and values.repeated_keys & keys[parent]:
                return None
        texts: list[str | bool | None] = []
        for candidates, is_empty, is_name, is_exact in fields:
            text = None
            for parent, name in candidates:
                value = objects[parent].get(name)
                if value is None:
                    continue
                if type(value) is not str:
                    if is_exact if isinstance(value, _InexactNumber) else is_name:
                        return None
                    value = str(value) if isinstance(value, _InexactNumber) else UNREADABLE
                if text is None and not is_empty(value):
                    text = value
            texts.append(text)
        return row_of_texts(texts, shape, line_number, has_error=has_error)

    return to_row
