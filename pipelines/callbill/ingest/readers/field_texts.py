"""The select list that every reader ends with: a shape's field texts, and what is odd of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from callbill.base.sql import literal
from callbill.ingest.shapes import Shape


@dataclass(frozen=True)
class Column:
    """How a statement refers to a column, and whether its value has a text."""

    reference: str
    is_text: bool = True


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
        if field in shape.feed.text_fields and path in columns and not columns[path].is_text
    )
    # An empty text is nothing there, as everywhere.
    errors = [
        f"nullif({reference(parent)}, '') is not null"
        for parent in shape.error_parents
        if parent in columns
    ]
    odd_field = f"case{odd} end" if odd else "null::varchar"
    return select_list(field_texts(shape, reference), errors, odd_field)


def field_texts(shape: Shape, reference: Callable[[str], str]) -> dict[str, str]:
    """SQL for the text of each field of the shape's feed, null where there is none."""
    texts = {}
    for field, paths in shape.fields.items():
        candidates = [reference(path) for path in paths]
        no_codes = shape.no_error_codes if field == "error_code" else ()
        for empty in (*shape.feed.empty_texts, *no_codes):
            candidates = [f"nullif({text}, {literal(empty)})" for text in candidates]
        text = candidates[0] if len(candidates) == 1 else f"coalesce({', '.join(candidates)})"
        texts[field] = text
    if shape.implied_http_status is not None:
        texts["http_status"] = literal(str(shape.implied_http_status))
    for field in shape.feed.fields:
        texts.setdefault(field, "null::varchar")
    return texts


def select_list(texts: Mapping[str, str], errors: Sequence[str], odd_field: str) -> str:
    return ",\n".join(
        [
            *(f"    {text} as {field}" for field, text in texts.items()),
            f"    {' or '.join(errors) or 'false'} as has_error",
            f"    {odd_field} as odd_field",
        ]
    )
