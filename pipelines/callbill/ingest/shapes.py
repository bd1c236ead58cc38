"""Log shapes: declared mappings from what a feed's lines look like to its fields.

A shape says where each field is; `readers` turn it into the SQL that pulls each field's text out of
a line. All ways of reading give the same columns to the feed's one judge.sql.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from callbill.ingest.feed import FEEDS, Feed, feeds

SHAPES = FEEDS / "call_logs" / "shapes"


@dataclass(frozen=True)
class Shape:
    """Where each field comes from: paths into a line, the first that is not empty counts."""

    name: str
    feed: Feed
    fields: dict[str, tuple[str, ...]]
    no_error_codes: tuple[str, ...] = ()
    implied_http_status: int | None = None
    naive_times_in_billing_timezone: bool = False
    # Of the file that declares it; none where a feed's fields are under their own names.
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
    def error_parents(self) -> list[str]:
        """The objects that are there only if a call failed."""
        paths = self.fields.get("error_code", ())
        return [path.rpartition(".")[0] for path in paths if "." in path]


@cache
def call_log_shapes() -> dict[str, Shape]:
    """The log shapes on offer, by the name that `format=` gives."""
    return {file.stem: _load(file) for file in sorted(SHAPES.glob("*.yml"))}


def shape_of(feed: str, name: str) -> Shape:
    """The shape of a feed's files; only call logs come in several."""
    if feed == "call_logs":
        return call_log_shapes()[name]
    declared = feeds()[feed]
    file = declared.folder / "shape.yml"
    if file.exists():
        fields = yaml.safe_load(file.read_text(encoding="utf-8"))
        return Shape(name, declared, _paths(fields.items()), sha256=_sha256(file))
    return Shape(name, declared, {field: (field,) for field in declared.fields})


def _load(file: Path) -> Shape:
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))
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
