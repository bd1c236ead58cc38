"""Reads whole files of JSON lines with read_json, which is fast, but fails at the first bad line.

read_json takes the values of the keys that it is told, and overlooks a key in other capitals or
with blanks around it. Line by line such a key counts as the one that it is (`json_lines`), so a
file that has one must be found. The lines of a log have few different lists of keys:

- A shape whose fields are keys of the line itself is read as maps, with the keys as they are
  written. If the first lines of the files show few lists of keys, each line is compared with these
  in the statement that reads it.
- Otherwise all lists of keys are found by a statement before that.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
from callbill.base.errors import CallbillError
from callbill.base.machine import machine_fault
from callbill.base.sql import identifier, literal
from callbill.ingest.readers.columns import plain_name
from callbill.ingest.readers.field_texts import error_signs, field_texts, select_list
from callbill.ingest.readers.json_lines import json_paths, keys_of_shape
from callbill.ingest.relation import Relation
from callbill.ingest.shapes import Shape, parts_of

KeyLists = frozenset[tuple[str, ...]]

# What is looked at for the lists of keys: files, and bytes of each.
_FILES_LOOKED_AT = 16
_BYTES_LOOKED_AT = 32_768
# Comparing each line with one more list costs a tenth of reading it.
_MOST_KEY_LISTS = 4
_MAP = "{json: 'map(varchar, varchar)'}"


def whole_files(
    shape: Shape,
    paths: Sequence[Path],
    key_lists: KeyLists | None = None,
    *,
    ignore_errors: bool = False,
) -> Relation:
    """The records of whole files. A line that cannot be read fails the statement. With
    `ignore_errors` it is a record without fields instead.

    With `key_lists` a record whose keys are in none of these lists has an `odd_field`.
    """
    source = _records_of_lines if _is_read_as_maps(shape) else _values_of_lines
    return Relation(
        f"""
        select {_texts(shape, key_lists, check_all=ignore_errors)},
            parse_filename(filename, true) as source_file_id,
            null::bigint as line_number
        from ({source(shape, ignore_errors=ignore_errors)})
        """,
        {"names": [str(path) for path in paths]},
    )


def begins_with_blank(path: Path) -> bool:
    """Whether a file has a blank between a byte-order mark and its first line. read_json takes that
    with one thread and fails with two."""
    with path.open("rb") as stream:
        start = stream.read(len(codecs.BOM_UTF8) + 1)
    return start.startswith(codecs.BOM_UTF8) and start[-1:].isspace()


def _is_read_as_maps(shape: Shape) -> bool:
    return shape.reading_rules >= 2 and not shape.parents


def _records_of_lines(shape: Shape, *, ignore_errors: bool) -> str:
    """SQL for each line's object as a map."""
    return f"""
        select json as line, map_keys(json) as keys, map_values(json) as line_values, filename
        from read_json(
            $names, columns = {_MAP}, format = 'newline_delimited', records = false,
            filename = true, ignore_errors = {ignore_errors}
        )
    """


def _values_of_lines(shape: Shape, *, ignore_errors: bool) -> str:
    """SQL for each line's values, as columns of the shape's keys."""
    # With `records` given, read_json does not detect the structure first. The detection would
    # overflow its stack on deeply nested lines.
    return f"""
        from read_json(
            $names, columns = {_json_columns(shape)}, format = 'newline_delimited',
            records = true, filename = true, ignore_errors = {ignore_errors}
        )
    """


def _json_columns(shape: Shape) -> str:
    """The `columns` argument of read_json: the shape's paths as structs with text leaves."""
    columns = ", ".join(
        f"{literal(name)}: {literal(_json_type(node))}" for name, node in _tree(shape).items()
    )
    return f"{{{columns}}}"


def _tree(shape: Shape) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in shape.paths:
        node = tree
        for part in parts_of(path):
            node = node.setdefault(part, {})
    return tree


def _json_type(node: dict[str, Any]) -> str:
    if not node:
        return "varchar"
    return "struct(" + ", ".join(f"{identifier(k)} {_json_type(v)}" for k, v in node.items()) + ")"


def _texts(shape: Shape, key_lists: KeyLists | None, *, check_all: bool) -> str:
    """The select list of a shape's field texts.

    read_json does not report a value's JSON type. A text that an object, an array or a boolean
    could have become therefore sets `odd_field`, and the file is read again line by line. Without
    `check_all`, since version 2 of the reading rules, a field's text is checked later, and only
    what it does not show is checked here.
    """

    def reference(path: str) -> str:
        if _is_read_as_maps(shape):
            return _value_of_key(parts_of(path)[0], key_lists)
        return ".".join(identifier(part) for part in parts_of(path))

    fields = [
        name
        for name in shape.feed.text_fields
        if check_all or shape.reading_rules < 2 or _hides_values(shape, name)
    ]
    oddities = [
        may_be_no_text(reference(path)) for name in fields for path in shape.fields.get(name, ())
    ]
    if key_lists is not None:
        others = [f"keys is distinct from {_list(keys)}" for keys in sorted(key_lists)]
        oddities.append(f"({' and '.join(others)})")
    odd = " or ".join(oddities)
    odd_field = f"case when {odd} then 'value' end" if odd else "null::varchar"
    errors = {parent: f"{reference(parent)} is not null" for parent in shape.error_parents}
    return select_list(
        field_texts(shape, reference), error_signs(shape, errors, reference), odd_field
    )


def _hides_values(shape: Shape, name: str) -> bool:
    """Whether a field's text does not show each value that was read for it: the first of several
    paths counts, and some error codes stand for none."""
    is_left_out = name == "error_code" and bool(shape.no_error_codes)
    return is_left_out or len(shape.fields.get(name, ())) > 1


def _value_of_key(key: str, key_lists: KeyLists | None) -> str:
    """SQL for the text at a key of `line`: by its place if that is one in all lists, which is
    quicker, otherwise by its name."""
    if key_lists is None:
        return f"line[{literal(key)}]"
    places = {keys.index(key) for keys in key_lists if key in keys}
    if not places:
        return "null::varchar"
    place = min(places)
    if len(places) > 1 or any(key not in keys and place < len(keys) for keys in key_lists):
        return f"line[{literal(key)}]"
    return f"line_values[{place + 1}]"


def may_be_no_text(text: str) -> str:
    """SQL for whether read_json could have made a text of an object, an array or a boolean."""
    return (
        f"({text} >= '[' and {text} < '\\') or ({text} >= '{{' and {text} < '|')"
        f" or {text} in ('true', 'false')"
    )


# --- lists of keys -------------------------------------------------------------------------------


def first_key_lists(shape: Shape, paths: Sequence[Path]) -> KeyLists | None:
    """The lists of keys in the first lines of some of the files. None if they are many, if one is
    odd, or if the shape's files are not read as maps.

    It decides how the files are read, not what is read.
    """
    if not _is_read_as_maps(shape):
        return None
    found: set[tuple[str, ...]] = set()
    for path in paths[:: -(-len(paths) // _FILES_LOOKED_AT)]:
        with path.open("rb") as stream:
            start = stream.read(_BYTES_LOOKED_AT)
        lines = start.splitlines()
        if len(start) == _BYTES_LOOKED_AT:
            lines.pop()  # cut off
        try:
            found |= {_keys_of_object(line) for line in lines if line.strip()}
        except (ValueError, TypeError, RecursionError):
            return None
    is_usual = len(found) <= _MOST_KEY_LISTS and not any(_is_odd(shape, keys) for keys in found)
    return frozenset(found) if is_usual else None


def _keys_of_object(line: bytes) -> tuple[str, ...]:
    """Raises ValueError if a line is no JSON or has a key that is no valid text, TypeError if it is
    no object, RecursionError if it is nested very deeply."""
    value = json.loads(line)
    if not isinstance(value, dict):
        raise TypeError
    "".join(value).encode()  # half of a pair of surrogates has no bytes
    return tuple(value)


def odd_files(con: duckdb.DuckDBPyConnection, shape: Shape, paths: Sequence[Path]) -> set[str]:
    """The files that have a key which read_json would overlook: one that the shape reads, in other
    capitals or with blanks around it.

    All lists of keys are looked at here, each once: to match each line with `odd_key_pattern` would
    take up to twice as long. A file with a line that is no JSON is odd too, and so is one that
    cannot be read as lines. Raises CallbillError for a fault of the machine.
    """
    lines = _keys_of_lines(shape)
    names = {"names": [str(path) for path in paths]}
    try:
        found = con.execute(f"select distinct keys from ({lines})", names).fetchall()
        odd = [keys for (keys,) in found if keys is None or _is_odd(shape, keys)]
        if not odd:
            return set()
        query = f"""
            select distinct filename from ({lines})
            where keys is null or list_contains($odd::varchar[][], keys)
        """
        files = con.execute(query, {**names, "odd": [keys for keys in odd if keys]}).fetchall()
        return {name for (name,) in files}
    except duckdb.Error as error:
        if fault := machine_fault(error):
            raise CallbillError(fault) from error
        if len(paths) == 1:
            return {str(paths[0])}
    return set().union(*(odd_files(con, shape, [path]) for path in paths))


def _keys_of_lines(shape: Shape) -> str:
    """SQL for the keys of each line, null if it is no object: all that it has in the objects that
    the shape reads from."""
    if _is_read_as_maps(shape):
        return f"select filename, keys from ({_records_of_lines(shape, ignore_errors=True)})"
    return f"""
        select filename, flatten(try(json_keys(line, {json_paths(["", *shape.parents])}))) as keys
        from read_csv(
            $names, columns = {{'line': 'varchar'}}, header = false, auto_detect = false,
            delim = '\x01', quote = '', escape = '', strict_mode = false, filename = true
        )
        where line <> ''
    """


def _is_odd(shape: Shape, keys: Sequence[str]) -> bool:
    """Whether keys are not those that read_json takes the values of: one is written otherwise, or
    occurs twice. Of columns read_json itself finds the latter."""
    known = {key.lower(): key for key in keys_of_shape(shape)}
    if any(known.get(plain_name(key).lower(), key) != key for key in keys):
        return True
    return _is_read_as_maps(shape) and any(keys.count(key) > 1 for key in known.values())


def _list(keys: Iterable[str]) -> str:
    return f"[{', '.join(map(literal, keys))}]::varchar[]"
