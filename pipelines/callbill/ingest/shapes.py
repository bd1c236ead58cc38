"""Shapes: declarations of where a line has each field of its feed.

`readers` turn a shape into SQL that takes each field's text out of a line. So every way of reading
gives the same columns to the feed's one judge.sql.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from callbill.base.yaml_files import read_yaml
from callbill.ingest.feed import FEEDS, Feed, feeds

SHAPES = FEEDS / "call_logs" / "shapes"


@dataclass(frozen=True)
class Shape:
    """Where each field comes from: paths into a line, of which the first that is not empty counts.

    `no_error_codes` are texts of error_code that mean success. `implied_http_status` is the
    http_status of every call, for a shape whose lines have none.
    """

    name: str
    feed: Feed
    fields: dict[str, tuple[str, ...]]
    no_error_codes: tuple[str, ...] = ()
    implied_http_status: int | None = None
    naive_times_in_billing_timezone: bool = False
    # The version of the reading rules that lines are read by.
    reading_rules: int = 1
    # Of the file that declares the shape. None if the fields are under their own names.
    sha256: str | None = None

    @property
    def paths(self) -> list[str]:
        return [path for paths in self.fields.values() for path in paths]

    @property
    def parents(self) -> list[str]:
        """The objects that the paths lead through."""
        parents: dict[str, None] = {}
        for path in self.paths:
            parts = path.split(".")
            for depth in range(1, len(parts)):
                parents[".".join(parts[:depth])] = None
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
        paths = self.fields.get("error_code", ())
        return [path.rpartition(".")[0] for path in paths if "." in path]


@cache
def call_log_shapes() -> dict[str, Shape]:
    """The shapes of call logs, by the name that a folder `format=` gives."""
    return {file.stem: _load(file) for file in sorted(SHAPES.glob("*.yml"))}


def shape_of(feed: str, name: str, reading_rules: int = 1) -> Shape:
    """A feed's shape of that name, to be read by a version of the reading rules. Only call logs
    have several: others have one, whatever `name` is."""
    if feed == "call_logs":
        return replace(call_log_shapes()[name], reading_rules=reading_rules)
    declared = feeds()[feed]
    file = declared.folder / "shape.yml"
    if file.exists():
        fields = read_yaml(file)
        paths, sha256 = _paths(fields.items()), _sha256(file)
    else:
        paths, sha256 = {field: (field,) for field in declared.fields}, None
    return Shape(name, declared, paths, reading_rules=reading_rules, sha256=sha256)


def _load(file: Path) -> Shape:
    declared = read_yaml(file)
    return Shape(
        name=file.stem,
        feed=feeds()["call_logs"],
        fields=_paths(declared.pop("fields").items()),
        no_error_codes=tuple(declared.pop("no_error_codes", ())),
        sha256=_sha256(file),
        **declared,
    )


def _paths(fields: Iterable[tuple[str, list[str]]]) -> dict[str, tuple[str, ...]]:
    return {field: tuple(paths) for field, paths in fields}


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
