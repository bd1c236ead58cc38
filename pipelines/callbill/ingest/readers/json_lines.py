"""Reads JSON lines line by line, as text. `json_files` reads whole files.

DuckDB's JSON functions use the same parser as its read_json. Each call parses the line again, and
keeps several times its length in memory until the statement ends. So there are few calls, in few
statements.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from callbill.base.sql import literal
from callbill.ingest.readers.columns import BLANKS_AROUND_NAMES, plain_name
from callbill.ingest.readers.field_texts import error_signs, field_texts, select_list
from callbill.ingest.readers.lines import (
    CHUNK,
    MAX_LINE_BYTES,
    BadLine,
    Line,
    UnreadableFileError,
    bad_line,
)
from callbill.ingest.shapes import Shape, parent_of, parts_of

# --- keys that are written oddly ----------------------------------------------------------------

# Letters of a key and what it may be written with: escapes, blanks around it.
_ESCAPE = r"\\(?:u[0-9A-Fa-f]{4}|[tnrfb])"
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?')


def odd_key_pattern(shape: Shape) -> str:
    """A pattern (RE2, Python) of a JSON key that may be one of the shape's, and is not written like
    it."""
    blank = f"[{BLANKS_AROUND_NAMES}']"
    other = [
        f"{re.escape(key[:n])}{key[n].swapcase()}{_in_any_case(key[n + 1 :])}"
        for key in keys_of_shape(shape)
        for n in range(len(key))
        if key[n].swapcase() != key[n]
    ]
    any_key = "|".join(map(re.escape, keys_of_shape(shape)))
    part = f"(?:[0-9A-Za-z_.]|{blank}|{_ESCAPE})*"
    return (
        f'"(?:{"|".join(other)}|{blank}+(?i:{any_key}){blank}*|(?i:{any_key}){blank}+'
        f'|{part}{_ESCAPE}{part})"\\s*:'
    )


def with_known_keys(shape: Shape, line: str) -> str:
    """A line in which the shape's keys are written as the shape has them. In valid JSON a text in
    quotes before a colon can only be a key."""
    known = {key.lower(): key for key in keys_of_shape(shape)}

    def mend(match: re.Match[str]) -> str:
        text, colon = match.groups()
        if colon is None:
            return match[0]
        try:
            name = json.loads(f'"{text}"', strict=False)
        except ValueError:
            return match[0]
        key = known.get(plain_name(name).lower())
        return match[0] if key is None else f'"{key}"{colon}'

    return _STRING.sub(mend, line)


def keys_of_shape(shape: Shape) -> list[str]:
    """The keys at all depths that the shape reads."""
    return list(dict.fromkeys(part for path in shape.paths_and_parents for part in parts_of(path)))


def _in_any_case(text: str) -> str:
    return f"(?i:{re.escape(text)})" if text else ""


# --- line by line --------------------------------------------------------------------------------


def check_encoding(path: Path) -> None:
    """Raises UnreadableFileError if a file begins with the mark of UTF-16."""
    with path.open("rb") as stream:
        if stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise UnreadableFileError("is not UTF-8 but UTF-16: save it as UTF-8")


def json_lines(stream: BinaryIO, reading_rules: int) -> Iterator[Line | BadLine]:
    """The lines of a JSON lines file, without blank ones."""
    for line_number, raw in numbered_lines(stream):
        if isinstance(raw, BadLine):
            yield raw
            continue
        stripped = raw.strip()
        if line_number == 1:
            stripped = stripped.removeprefix(codecs.BOM_UTF8)
            if reading_rules >= 2:
                stripped = stripped.strip()
        if not stripped:
            continue
        try:
            yield Line(line_number, (stripped.decode("utf-8"),))
        except UnicodeDecodeError:
            yield bad_line(line_number, "invalid_encoding", stripped)


def line_at(stream: BinaryIO, line_number: int) -> str:
    """A physical line of a file as text, with bytes that are not UTF-8 escaped.

    Of a line that is too long only the length is shown.

    Raises UnreadableFileError if the file does not decompress that far, or has no such line.
    """
    for number, raw in numbered_lines(stream):
        if number == line_number:
            if isinstance(raw, BadLine):
                return f"({raw.length} bytes)"
            return raw.decode("utf-8", "backslashreplace")
    raise UnreadableFileError(f"has no line {line_number} any more")


def numbered_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | BadLine]]:
    line_number, pending = 0, bytearray()
    oversized: hashlib._Hash | None = None
    oversized_length = 0
    while chunk := stream.read(CHUNK):
        *whole, last = chunk.split(b"\n")
        for piece in whole:
            line_number += 1
            if oversized is not None:
                oversized.update(piece)
                yield (
                    line_number,
                    BadLine(
                        line_number,
                        "line_too_long",
                        oversized_length + len(piece),
                        oversized.hexdigest(),
                    ),
                )
                oversized = None
            else:
                yield line_number, bytes(pending) + piece
            pending.clear()
        if oversized is not None:
            oversized.update(last)
            oversized_length += len(last)
        else:
            pending += last
            if len(pending) > MAX_LINE_BYTES:
                oversized, oversized_length = hashlib.sha256(pending), len(pending)
                pending.clear()
    if oversized is not None:
        bad = BadLine(line_number + 1, "line_too_long", oversized_length, oversized.hexdigest())
        yield line_number + 1, bad
    elif pending:
        yield line_number + 1, bytes(pending)


# One call of a JSON function returns the values of all paths, and no statement has more than two
# calls (see the module's docstring).


def fault_of_line(shape: Shape) -> str:
    """SQL for the reason why `line` is not a readable JSON object, null if it is one."""
    parents = ["", *shape.parents]
    duplicate = " or ".join(
        f"coalesce(len({names}) <> list_unique({names}), false)"
        for n, parent in enumerate(parents, 1)
        for keys in [f"json_keys(line, {json_paths(parents)})[{n}]"]
        for names in [f"list_filter({keys}, lambda k: k in {_mapped_keys(shape, parent)})"]
    )
    return f"""case
        when not json_valid(line) then 'invalid_json'
        when not starts_with(line, '{{') then 'not_an_object'
        when {duplicate} then 'duplicate_key'
    end"""


def values_of_line(shape: Shape) -> str:
    """The select list of `texts` and `types` at the shape's paths in the JSON object `line`, from
    which `texts_of_values` selects."""
    return (
        f"json_extract_string(line, {json_paths(shape.paths)}) as texts,"
        f" json_type(line, {json_paths(shape.paths_and_parents)}) as types"
    )


def texts_of_values(shape: Shape) -> str:
    """The select list of a shape's field texts from the columns of `values_of_line`."""
    number = {path: n for n, path in enumerate(shape.paths_and_parents, 1)}

    def type_of(path: str) -> str:
        return f"coalesce(types[{number[path]}], 'NULL')"

    def reference(path: str) -> str:
        text = f"texts[{number[path]}]"
        if not shape.feed.read_whole:
            return text
        # Write a number with a fraction or an exponent as read_json does, so that both ways agree.
        return (
            f"case when {type_of(path)} = 'DOUBLE' and regexp_matches({text}, '[.eE]')"
            f" and isfinite(try_cast({text} as double))"
            f" then cast(try_cast({text} as double) as varchar) else {text} end"
        )

    odd = "\n".join(
        [
            f"        when {type_of(path)} in ('OBJECT', 'ARRAY', 'BOOLEAN') then {literal(field)}"
            for field, paths in shape.fields.items()
            if field in shape.feed.text_fields
            for path in paths
        ]
        # The JSON parser keeps 15 digits of a number exactly. Of more, some can be lost already.
        + [
            f"        when {type_of(path)} = 'DOUBLE' and strlen(regexp_replace("
            f"{reference(path)}, '[^0-9]', '', 'g')) > 15 then {literal(field)}"
            for field in shape.feed.exact_fields
            for path in shape.fields.get(field, ())
        ]
        + [
            f"        when {type_of(parent)} not in ('OBJECT', 'NULL') then 'structure'"
            for parent in shape.parents
        ]
    )
    errors = {parent: f"{type_of(parent)} <> 'NULL'" for parent in shape.error_parents}
    return select_list(
        field_texts(shape, reference),
        error_signs(shape, errors, reference),
        f"case\n{odd}\n    end",
    )


def _mapped_keys(shape: Shape, parent: str) -> str:
    """The keys that the shape reads from an object, as an SQL list. Only these must not repeat."""
    names = [(parent_of(path), parts_of(path)[-1]) for path in shape.paths_and_parents]
    keys = dict.fromkeys(literal(name) for of, name in names if of == parent)
    return f"({', '.join(keys)})"


def json_paths(paths: Iterable[str]) -> str:
    """Paths into an object, as an SQL list. The empty path is the object itself."""
    return f"[{', '.join(literal(_json_path(path)) for path in paths)}]"


def _json_path(path: str) -> str:
    return "$" + "".join(f'."{part}"' for part in parts_of(path) if part)
