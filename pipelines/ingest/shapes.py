"""Log shapes: declared mappings from what a feed's lines look like to its fields.

A shape turns into the SQL that pulls each field's text out of a line, for each way of reading:
declared JSON columns (whole files at the engine's speed), a line's text (line by line), or named
columns (CSV and Parquet). All ways give the same columns to the feed's one validation query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from pipelines.sql import identifier, literal

SHAPES = Path(__file__).parent / "shapes"

# Fields of `call_logs` and `contracts`, in the order in which their faults are looked for.
CALL_LOG_FIELDS = (
    "request_id",
    "called_at",
    "owner_uin",
    "operate_uin",
    "action",
    "region",
    "http_status",
    "error_code",
    "latency_ms",
)
CONTRACT_FIELDS = (
    "owner_uin",
    "component_code",
    "effective_from",
    "effective_to",
    "discount",
    "contract_price",
)


# Those whose text counts as it is; the others are numbers and times, which have a form to keep.
_TEXT_FIELDS = (
    "request_id",
    "owner_uin",
    "operate_uin",
    "action",
    "region",
    "error_code",
    "component_code",
)


@dataclass(frozen=True)
class Column:
    """How a statement refers to a column, and whether its value has a text."""

    reference: str
    is_text: bool = True


@dataclass(frozen=True)
class Shape:
    """Where each field comes from: paths into a line, the first that is not empty counts."""

    name: str
    fields: dict[str, tuple[str, ...]]
    no_error_codes: tuple[str, ...] = ()
    implied_http_status: int | None = None
    naive_times_in_billing_timezone: bool = False

    @property
    def paths(self) -> list[str]:
        return [path for paths in self.fields.values() for path in paths]

    @property
    def paths_and_parents(self) -> list[str]:
        return [*self.paths, *_parents(self)]


@cache
def call_log_shapes() -> dict[str, Shape]:
    """The log shapes on offer, by the name that `format=` gives."""
    shapes = {}
    for file in sorted(SHAPES.glob("*.yml")):
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
        shapes[file.stem] = Shape(
            name=file.stem,
            fields={field: tuple(paths) for field, paths in said.pop("fields").items()},
            no_error_codes=tuple(said.pop("no_error_codes", ())),
            **said,
        )
    return shapes


CONTRACT_SHAPE = Shape("canonical", {field: (field,) for field in CONTRACT_FIELDS})


def json_columns(shape: Shape) -> str:
    """The `columns` argument of read_json: text leaves under the paths the shape names."""
    tree: dict[str, dict] = {}  # type: ignore[type-arg]
    for path in shape.paths:
        node = tree
        for part in path.split("."):
            node = node.setdefault(part, {})
    columns = ", ".join(
        f"{literal(name)}: {literal(_json_type(node))}" for name, node in tree.items()
    )
    return f"{{{columns}}}"


def _json_type(node: dict) -> str:  # type: ignore[type-arg]
    if not node:
        return "varchar"
    return "struct(" + ", ".join(f"{identifier(k)} {_json_type(v)}" for k, v in node.items()) + ")"


def texts_of_json(shape: Shape) -> str:
    """Select list of a shape's field texts from the columns that `json_columns` declares.

    read_json does not tell a value's JSON type. Texts that objects, arrays and booleans turn into
    therefore set `odd_field`, so that the file is read again line by line.
    """

    def reference(path: str) -> str:
        return ".".join(identifier(part) for part in path.split("."))

    texts = _field_texts(shape, reference)
    odd = " or ".join(
        f"({name} >= '[' and {name} < '\\') or ({name} >= '{{' and {name} < '|')"
        f" or {name} in ('true', 'false')"
        for name in _TEXT_FIELDS
        if name in shape.fields
    )
    errors = [f"{reference(parent)} is not null" for parent in _error_parents(shape)]
    return _select_list(texts, errors, f"case when {odd} then 'value' end")


def texts_of_columns(shape: Shape, columns: Mapping[str, Column]) -> str:
    """Select list of a shape's field texts from named columns; those that are missing are null.

    `columns` tells for a path how to refer to it; `is_text` is false where the column is of a
    type that has no text of its own (a list, a boolean).
    """

    def reference(path: str) -> str:
        column = columns.get(path)
        return f"cast({column.reference} as varchar)" if column else "null::varchar"

    odd = "".join(
        f" when {columns[path].reference} is not null then {literal(field)}"
        for field, paths in shape.fields.items()
        for path in paths
        if field in _TEXT_FIELDS and path in columns and not columns[path].is_text
    )
    errors = [
        f"{columns[parent].reference} is not null"
        for parent in _error_parents(shape)
        if parent in columns
    ]
    odd_field = f"case{odd} end" if odd else "null::varchar"
    return _select_list(_field_texts(shape, reference), errors, odd_field)


def texts_of_line(shape: Shape) -> str:
    """Select list of a shape's field texts from `line`, the text of a JSON object."""

    def reference(path: str) -> str:
        return f"line ->> {literal(_json_path(path))}"

    def type_of(path: str) -> str:
        return f"coalesce(json_type(line, {literal(_json_path(path))}), 'NULL')"

    def keys(path: str) -> str:
        return f"json_keys(line{', ' + literal(_json_path(path)) if path else ''})"

    odd = "\n".join(
        [
            f"        when {type_of(path)} in ('OBJECT', 'ARRAY', 'BOOLEAN') then {literal(field)}"
            for field, paths in shape.fields.items()
            if field in _TEXT_FIELDS
            for path in paths
        ]
        # The JSON parser holds 15 digits of a number for sure: of more, some may be gone already.
        + [
            f"        when {type_of(path)} = 'DOUBLE' and strlen(regexp_replace("
            f"{reference(path)}, '[^0-9]', '', 'g')) > 15 then {literal(field)}"
            for field in ("discount", "contract_price")
            for path in shape.fields.get(field, ())
        ]
        + [
            f"        when {type_of(parent)} not in ('OBJECT', 'NULL') then 'structure'"
            for parent in _parents(shape)
        ]
    )
    duplicate = " or ".join(
        f"coalesce(len(list_filter({keys(where)}, lambda k: k in {names})) <> "
        f"len(list_distinct(list_filter({keys(where)}, lambda k: k in {names}))), false)"
        for where, names in _mapped_keys(shape).items()
    )
    errors = [f"{type_of(parent)} <> 'NULL'" for parent in _error_parents(shape)]
    return (
        _select_list(_field_texts(shape, reference), errors, f"case\n{odd}\n    end")
        + f",\n    {duplicate} as has_duplicate_key"
    )


def _select_list(texts: Mapping[str, str], errors: Sequence[str], odd_field: str) -> str:
    return ",\n".join(
        [
            *(f"    {text} as {field}" for field, text in texts.items()),
            f"    {' or '.join(errors) or 'false'} as has_error",
            f"    {odd_field} as odd_field",
        ]
    )


def _field_texts(shape: Shape, reference: Callable[[str], str]) -> dict[str, str]:
    texts = {}
    for field, paths in shape.fields.items():
        nothing = ["", *(shape.no_error_codes if field == "error_code" else ())]
        candidates = [reference(path) for path in paths]
        for code in nothing:
            candidates = [f"nullif({text}, {literal(code)})" for text in candidates]
        text = candidates[0] if len(candidates) == 1 else f"coalesce({', '.join(candidates)})"
        texts[field] = text
    if shape.implied_http_status is not None:
        texts["http_status"] = literal(str(shape.implied_http_status))
    if shape is not CONTRACT_SHAPE:
        for field in CALL_LOG_FIELDS:
            texts.setdefault(field, "null::varchar")
    return texts


def _error_parents(shape: Shape) -> list[str]:
    return [path.rpartition(".")[0] for path in shape.fields.get("error_code", ()) if "." in path]


def _parents(shape: Shape) -> list[str]:
    parents: dict[str, None] = {}
    for path in shape.paths:
        parts = path.split(".")
        for depth in range(1, len(parts)):
            parents[".".join(parts[:depth])] = None
    return list(parents)


def _mapped_keys(shape: Shape) -> dict[str, str]:
    """The keys that the shape reads of each object, as an SQL list: only these may not repeat."""
    keys: dict[str, list[str]] = {}
    for path in shape.paths_and_parents:
        parent, _, name = path.rpartition(".")
        keys.setdefault(parent, []).append(literal(name))
    return {parent: f"({', '.join(dict.fromkeys(names))})" for parent, names in keys.items()}


def _json_path(path: str) -> str:
    return "$" + "".join(f'."{part}"' for part in path.split("."))
