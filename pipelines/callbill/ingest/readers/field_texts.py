"""The select list of every reader's query: a shape's field texts, `has_error`, `odd_field`.

`odd_field` names a field whose value has no text of its own. The feed's judge.sql rejects it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from callbill.base.sql import literal
from callbill.ingest.shapes import Shape, parent_of
from callbill.ingest.templates import identifier_rules


@dataclass(frozen=True)
class Column:
    """How a statement refers to a column, and whether the column's type has texts of its own."""

    reference: str
    is_text: bool = True


def texts_of_columns(shape: Shape, columns: Mapping[str, Column]) -> str:
    """The select list for a source with columns, by path. The text of a missing column is null.

    A column's `is_text` is false if its type has no texts of its own, as lists and booleans.
    """

    def reference(path: str) -> str:
        column = columns.get(path)
        return f"cast({column.reference} as varchar)" if column else "null::varchar"

    odd = "".join(
        f" when {columns[path].reference} is not null then {literal(field)}"
        for field, paths in shape.fields.items()
        for path in paths
        if field in shape.feed.text_fields and path in columns and not columns[path].is_text
    )
    # An empty text means "no value", as everywhere.
    errors = {
        parent: f"nullif({reference(parent)}, '') is not null"
        for parent in shape.error_parents
        if parent in columns
    }
    odd_field = f"case{odd} end" if odd else "null::varchar"
    return select_list(
        field_texts(shape, reference), error_signs(shape, errors, reference), odd_field
    )


def field_texts(shape: Shape, reference: Callable[[str], str]) -> dict[str, str]:
    """SQL for the text of each field of the shape's feed, null where a line has none.

    `reference` gives the SQL for the text at a path.
    """
    texts = {}
    for field, paths in shape.fields.items():
        candidates = [reference(path) for path in paths]
        no_codes = shape.no_error_codes if field == "error_code" else ()
        for empty in (*shape.feed.empty_texts, *no_codes):
            candidates = [f"nullif({text}, {literal(empty)})" for text in candidates]
        if field == "error_code" and shape.reading_rules >= 2:
            candidates = [
                identifier_rules().error_code(text, shape.no_error_codes) for text in candidates
            ]
        text = candidates[0] if len(candidates) == 1 else f"coalesce({', '.join(candidates)})"
        texts[field] = text
    for field, constant in shape.constants.items():
        text = literal(constant)
        texts[field] = f"coalesce({texts[field]}, {text})" if field in texts else text
    for field in shape.feed.fields:
        texts.setdefault(field, "null::varchar")
    return texts


def error_signs(
    shape: Shape, present: Mapping[str, str], reference: Callable[[str], str]
) -> list[str]:
    """SQL that is true if a line has an error object, whatever the object contains.

    `present` has the SQL for whether an object is there. Since version 2 of the reading rules an
    object whose code says that there was no error is none.
    """
    if shape.reading_rules < 2:
        return list(present.values())
    codes = {parent_of(path): path for path in reversed(shape.fields.get("error_code", ()))}
    return [
        f"case when {sign}"
        f" then not {identifier_rules().is_zero(reference(codes[parent]), shape.no_error_codes)}"
        " else false end"
        for parent, sign in present.items()
    ]


def select_list(texts: Mapping[str, str], errors: Sequence[str], odd_field: str) -> str:
    """The select list of field texts, `has_error` (true if any of `errors` is) and `odd_field`."""
    return ",\n".join(
        [
            *(f"    {text} as {field}" for field, text in texts.items()),
            f"    {' or '.join(errors) or 'false'} as has_error",
            f"    {odd_field} as odd_field",
        ]
    )
