"""Log shapes: declared mappings from what a feed's lines look like to its fields.

A shape turns into the SQL that pulls each field's text out of a line, for each way of reading:
declared JSON columns (whole files at the engine's speed), a line's text (line by line), or named
columns (CSV and Parquet). All ways give the same columns to the feed's one validation query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from callbill.base.sql import identifier, literal

SHAPES = Path(__file__).parent / "shapes"

# The feeds' fields, in the order in which their faults are looked for.
FEED_FIELDS = {
    "call_logs": (
        "request_id",
        "called_at",
        "owner_uin",
        "operate_uin",
        "action",
        "region",
        "http_status",
        "error_code",
        "latency_ms",
    ),
    "contracts": (
        "owner_uin",
        "component_code",
        "effective_from",
        "effective_to",
        "discount",
        "contract_price",
    ),
    "account_events": (
        "event_id",
        "owner_uin",
        "operate_uin",
        "occurred_at",
        "event_type",
        "amount",
        "memo",
    ),
    "vendor_bills": (
        "owner_uin",
        "user_uin",
        "operate_uin",
        "product_name",
        "sub_product_name",
        "region",
        "resource_id",
        "transaction_type",
        "order_id",
        "bill_id",
        "bill_month",
        "pay_time",
        "fee_begin_time",
        "fee_end_time",
        "component_type",
        "component_name",
        "list_price",
        "unit_price",
        "discount",
        "used_amount",
        "used_amount_unit",
        "real_cost",
    ),
}

# Those whose text counts as it is; the others are numbers and times, which have a form to keep.
_TEXT_FIELDS = (
    "request_id",
    "owner_uin",
    "operate_uin",
    "action",
    "region",
    "error_code",
    "component_code",
    "event_id",
    "event_type",
    "memo",
    "user_uin",
    "product_name",
    "sub_product_name",
    "resource_id",
    "transaction_type",
    "order_id",
    "bill_id",
    "component_type",
    "component_name",
    "used_amount_unit",
)
# Numbers of which no digit may be lost.
_EXACT_FIELDS = (
    *("discount", "contract_price", "amount"),
    *("list_price", "unit_price", "used_amount", "real_cost"),
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
    feed: str = "call_logs"

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


def shape_of(feed: str, name: str) -> Shape:
    """The shape of a feed's files; only call logs come in several."""
    if feed == "call_logs":
        return call_log_shapes()[name]
    if feed == "vendor_bills":
        said = yaml.safe_load((SHAPES.parent / "vendor_bills.yml").read_text(encoding="utf-8"))
        return Shape(name, {field: tuple(paths) for field, paths in said.items()}, feed=feed)
    return Shape(name, {field: (field,) for field in FEED_FIELDS[feed]}, feed=feed)


def json_columns(shape: Shape) -> str:
    """The `columns` argument of read_json: text leaves under the paths the shape names."""
    columns = ", ".join(
        f"{literal(name)}: {literal(_json_type(node))}" for name, node in _tree(shape).items()
    )
    return f"{{{columns}}}"


def _tree(shape: Shape) -> dict:  # type: ignore[type-arg]
    tree: dict[str, dict] = {}  # type: ignore[type-arg]
    for path in shape.paths:
        node = tree
        for part in path.split("."):
            node = node.setdefault(part, {})
    return tree


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
        f"({text} >= '[' and {text} < '\\') or ({text} >= '{{' and {text} < '|')"
        f" or {text} in ('true', 'false')"
        for text in _said_as_text(shape, reference)
    )
    errors = [f"{reference(parent)} is not null" for parent in _error_parents(shape)]
    return _select_list(texts, errors, f"case when {odd} then 'value' end")


def _said_as_text(shape: Shape, reference: Callable[[str], str]) -> list[str]:
    """What the shape reads text fields from, each by itself where several may tell a field."""
    return [reference(path) for field in _TEXT_FIELDS for path in shape.fields.get(field, ())]


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
    # An empty text is nothing there, as everywhere.
    errors = [
        f"nullif({reference(parent)}, '') is not null"
        for parent in _error_parents(shape)
        if parent in columns
    ]
    odd_field = f"case{odd} end" if odd else "null::varchar"
    return _select_list(_field_texts(shape, reference), errors, odd_field)


# Every call of a JSON function parses the line anew and takes some times its length of memory
# until the statement ends: one call gives all paths, and no statement has more than two.


def fault_of_line(shape: Shape) -> str:
    """SQL for the reason why `line` is no JSON object that can be read; null if it is one."""
    parents = ["", *_parents(shape)]
    duplicate = " or ".join(
        f"coalesce(len({names}) <> list_unique({names}), false)"
        for n, parent in enumerate(parents, 1)
        for names in [
            f"list_filter(json_keys(line, {_json_paths(parents)})[{n}], "
            f"lambda k: k in {_mapped_keys(shape, parent)})"
        ]
    )
    return f"""case
        when not json_valid(line) then 'invalid_json'
        when not starts_with(line, '{{') then 'not_an_object'
        when {duplicate} then 'duplicate_key'
    end"""


# What a line of DescribeBillDetail holds: a whole answer, or one of its items.
_DETAILS = ("$.Response.DetailSet", "$.DetailSet")


def items_of_line() -> str:
    """SQL for the list of what a line of the vendor's bill says, as JSON objects: an item with one
    of its components each, for `texts_of_values`. Empty for a page without an item, null for an
    answer that has no page."""
    given = " ".join(
        f"when json_type(line, '{path}') = 'ARRAY' then json_extract(line, '{path}[*]')"
        for path in _DETAILS
    )
    framed = " or ".join(f"json_exists(line, '{path}')" for path in ("$.Response", "$.DetailSet"))
    return f"""
        flatten(list_transform(
            case {given} when {framed} then null else [json(line)] end,
            lambda detail: list_transform(
                case
                    when len(json_extract(detail, '$.ComponentSet[*]')) > 0
                        then json_extract(detail, '$.ComponentSet[*]')
                    else [json('{{}}')]
                end,
                lambda component: json_object('Detail', detail, 'Component', component)
            )
        ))
    """


def values_of_line(shape: Shape) -> str:
    """Select list of what the JSON object in `line` has at the shape's paths, for
    `texts_of_values`."""
    return (
        f"json_extract_string(line, {_json_paths(shape.paths)}) as said,"
        f" json_type(line, {_json_paths(shape.paths_and_parents)}) as types"
    )


def texts_of_values(shape: Shape) -> str:
    """Select list of a shape's field texts from the columns of `values_of_line`."""
    number = {path: n for n, path in enumerate(shape.paths_and_parents, 1)}

    def type_of(path: str) -> str:
        return f"coalesce(types[{number[path]}], 'NULL')"

    def reference(path: str) -> str:
        said = f"said[{number[path]}]"
        if shape.feed != "call_logs":
            return said
        # A number with a fraction or an exponent is written as read_json writes it.
        return (
            f"case when {type_of(path)} = 'DOUBLE' and regexp_matches({said}, '[.eE]')"
            f" and isfinite(try_cast({said} as double))"
            f" then cast(try_cast({said} as double) as varchar) else {said} end"
        )

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
            for field in _EXACT_FIELDS
            for path in shape.fields.get(field, ())
        ]
        + [
            f"        when {type_of(parent)} not in ('OBJECT', 'NULL') then 'structure'"
            for parent in _parents(shape)
        ]
    )
    errors = [f"{type_of(parent)} <> 'NULL'" for parent in _error_parents(shape)]
    return _select_list(_field_texts(shape, reference), errors, f"case\n{odd}\n    end")


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
        candidates = [reference(path) for path in paths]
        # The vendor's bills have a dash where there is nothing.
        nothings = ["", "-"] if shape.feed == "vendor_bills" else [""]
        for code in [*nothings, *(shape.no_error_codes if field == "error_code" else ())]:
            candidates = [f"nullif({text}, {literal(code)})" for text in candidates]
        text = candidates[0] if len(candidates) == 1 else f"coalesce({', '.join(candidates)})"
        texts[field] = text
    if shape.implied_http_status is not None:
        texts["http_status"] = literal(str(shape.implied_http_status))
    for field in FEED_FIELDS[shape.feed]:
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


def _mapped_keys(shape: Shape, parent: str) -> str:
    """The keys that the shape reads of an object, as an SQL list: only these may not repeat."""
    names = [path.rpartition(".") for path in shape.paths_and_parents]
    keys = dict.fromkeys(literal(name) for of, _, name in names if of == parent)
    return f"({', '.join(keys)})"


def _json_paths(paths: Iterable[str]) -> str:
    """Paths into an object, as an SQL list; the empty one is the object itself."""
    return f"[{', '.join(literal(_json_path(path)) for path in paths)}]"


def _json_path(path: str) -> str:
    return "$" + "".join(f'."{part}"' for part in path.split(".") if part)
