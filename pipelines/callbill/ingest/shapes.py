"""Shapes: declarations of where a line has each field of its feed.

`readers` turn a shape into SQL that takes each field's text out of a line. So every way of reading
gives the same columns to the feed's one judge.sql. A place can declare shapes of its own;
`shape_files` checks them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

from callbill.base.rules import ATTRIBUTES_SINCE
from callbill.base.yaml_files import parse_yaml
from callbill.ingest.feed import FEEDS, Feed, attribute_field, feeds

SHAPES = FEEDS / "call_logs" / "shapes"
# The directives that a time format may have, each with a pattern of what it stands for. All others
# depend on the language, or say less.
DIRECTIVES = {
    "%Y": r"\d{4}",
    "%m": r"\d{1,2}",
    "%d": r"\d{1,2}",
    "%b": "(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
    "%H": r"\d{1,2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
    "%f": r"\d{1,6}",
    "%z": r"[+-]\d{2}:?\d{2}",
}


@dataclass(frozen=True)
class CsvForm:
    """How CSV is written: with which characters, and under which names if it has no header."""

    delimiter: str | None = None
    quote: str = '"'
    escape: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """Where each field comes from: paths into a line, of which the first that is not empty counts.

    A path is a column's name, or keys with dots between them. A dot within a key is written as
    `\\.`. Keys of the other fields are described in docs/shapes.md.
    """

    name: str
    feed: Feed
    fields: dict[str, tuple[str, ...]]
    # Names of what else a record says of its call, which claims may tell components apart by, in
    # order. Readers take each like a field (`attribute_field`).
    attributes: tuple[str, ...] = ()
    # Texts of error_code that mean success.
    no_error_codes: tuple[str, ...] = ()
    # Values of fields that a line has no value for.
    constants: dict[str, str] = field(default_factory=dict)
    naive_times_in_billing_timezone: bool = False
    # Forms of called_at beside ISO 8601 and epoch times, by the directives of strptime.
    time_formats: tuple[str, ...] = ()
    # What a file is whose ending does not say it: json, csv or lines. None: what it begins like.
    files: str | None = None
    csv: CsvForm = CsvForm()
    # Where a line or document has its records, if not each line is one.
    records: tuple[str, ...] = ()
    # Paths of texts that hold JSON, and of lists of objects with a key and a value.
    json_text: tuple[str, ...] = ()
    key_value_lists: tuple[str, ...] = ()
    # A regular expression with named groups that takes a line of text apart.
    pattern: str | None = None
    describes: str = ""
    source: str = ""
    # The version of the reading rules that lines are read by.
    reading_rules: int = 1
    # Of the file that declares the shape. None if the fields are under their own names.
    sha256: str | None = None
    # The text of that file, if it is not callbill's own.
    declaration: str = ""

    @property
    def paths(self) -> list[str]:
        return [path for paths in self.fields.values() for path in paths]

    @property
    def parents(self) -> list[str]:
        """The objects that the paths lead through."""
        parents: dict[str, None] = {}
        for path in self.paths:
            parents.update(dict.fromkeys(_all_above(path)))
        return list(parents)

    @property
    def paths_and_parents(self) -> list[str]:
        return [*self.paths, *self.parents]

    @property
    def checked_when_written(self) -> list[str]:
        """Text fields of whole files that are checked in the Parquet that was written. They have
        few values there, each of which is looked at once."""
        if self.reading_rules < 2:
            return []
        kinds = self.feed.identifiers
        return [name for name in self.feed.text_fields if kinds.get(name) != "request"]

    @property
    def error_parents(self) -> list[str]:
        """The objects that a line has only if the call failed."""
        others = {
            above
            for name, paths in self.fields.items()
            if name != "error_code"
            for path in paths
            for above in _all_above(path)
        }
        paths = self.fields.get("error_code", ())
        return [parent for path in paths if (parent := parent_of(path)) and parent not in others]

    @property
    def is_flattened(self) -> bool:
        """Whether JSON or text of this shape is written out with a line a record and a key a path
        before it is read (readers/flattening.py)."""
        return bool(
            self.records
            or self.json_text
            or self.key_value_lists
            or self.pattern
            or any("\\." in path or path.startswith("$.") for path in self.paths)
            or self._has_keys_alike
        )

    @cached_property
    def _has_keys_alike(self) -> bool:
        """Whether two keys differ in capitals alone, such as `Error.Code` and `code`. Which of them
        a line's `CODE` is, only its place in the line says."""
        keys = {part for path in self.paths for part in parts_of(path)}
        return len({key.lower() for key in keys}) < len(keys)

    @cached_property
    def flat(self) -> Shape:
        """The shape of what is written out so: each path has a key of its own."""
        fields = {
            name: tuple(flat_key(name, n) for n in range(len(paths)))
            for name, paths in self.fields.items()
        }
        return replace(
            self, fields=fields, records=(), json_text=(), key_value_lists=(), pattern=None
        )


_DOT = re.compile(r"(?<!\\)\.")


@cache
def parts_of(path: str) -> tuple[str, ...]:
    """The keys of a path."""
    return tuple(part.replace("\\.", ".") for part in _DOT.split(path))


@cache
def parent_of(path: str) -> str:
    """The path of the object that a path leads into, "" if that is the line itself."""
    dots = [match.start() for match in _DOT.finditer(path)]
    return path[: dots[-1]] if dots else ""


def _all_above(path: str) -> list[str]:
    """The objects that a path leads through, from the top down."""
    above: list[str] = []
    while path := parent_of(path):
        above.insert(0, path)
    return above


def flat_key(field_name: str, number: int) -> str:
    """The key of a field's path of that number in a flattened line."""
    return f"{field_name}_{number}"


@cache
def call_log_shapes() -> dict[str, Shape]:
    """The shapes of call logs that callbill ships, by the name that a folder `format=` gives."""
    return {
        file.stem: parse_shape(file.stem, file.read_text(encoding="utf-8"))
        for file in sorted(SHAPES.glob("*.yml"))
    }


def shape_of(feed: str, name: str, reading_rules: int = 1, declaration: str = "") -> Shape:
    """A feed's shape of that name, to be read by a version of the reading rules. Only call logs
    have several: others have one, whatever `name` is. `declaration` is the text of the shape's file
    if it is not callbill's own."""
    if feed == "call_logs":
        shape = _declared_shape(name, declaration) if declaration else call_log_shapes()[name]
        if reading_rules < ATTRIBUTES_SINCE:
            shape = _without_attributes(shape)
        return replace(shape, reading_rules=reading_rules)
    declared = feeds()[feed]
    file = declared.folder / "shape.yml"
    if file.exists():
        text = file.read_text(encoding="utf-8")
        paths, sha256 = _paths(parse_yaml(text).items()), _sha256(text)
    else:
        paths, sha256 = {field: (field,) for field in declared.fields}, None
    return Shape(name, declared, paths, reading_rules=reading_rules, sha256=sha256)


def _without_attributes(shape: Shape) -> Shape:
    feed = feeds()[shape.feed.name]
    fields = {name: paths for name, paths in shape.fields.items() if name in feed.fields}
    return replace(shape, feed=feed, fields=fields, attributes=())


@cache
def _declared_shape(name: str, declaration: str) -> Shape:
    return replace(parse_shape(name, declaration), declaration=declaration)


def parse_shape(name: str, text: str) -> Shape:
    """The shape that a file declares. The file must be right (`shape_files.check_shape`)."""
    declared: dict[str, Any] = parse_yaml(text)
    constants = {key: str(value) for key, value in (declared.pop("constants", None) or {}).items()}
    status = declared.pop("implied_http_status", None)
    if status is not None:
        constants["http_status"] = str(status)
    form = CsvForm(
        delimiter=declared.pop("delimiter", None),
        quote=declared.pop("quote", '"'),
        escape=declared.pop("escape", None),
        columns=tuple(declared.pop("columns", ())),
    )
    for key in ("no_error_codes", "time_formats", "records", "json_text", "key_value_lists"):
        declared[key] = _texts(declared.get(key, ()))
    attributes = _paths(sorted((declared.pop("attributes", None) or {}).items()))
    of_attributes = {attribute_field(key): paths for key, paths in attributes.items()}
    return Shape(
        name=name,
        feed=feeds()["call_logs"].with_attributes(attributes),
        fields=_paths(declared.pop("fields").items()) | of_attributes,
        attributes=tuple(attributes),
        constants=constants,
        csv=form,
        sha256=_sha256(text),
        **declared,
    )


def _paths(fields: Iterable[tuple[str, Any]]) -> dict[str, tuple[str, ...]]:
    return {field: _texts(paths) for field, paths in fields}


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
