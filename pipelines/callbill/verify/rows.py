"""What rows of texts have in common, whatever kind of file they come from."""

from __future__ import annotations

from collections.abc import Callable

from callbill.ingest.shapes import Shape, parent_of
from callbill.verify.identifiers import no_error_rule

# The fields' texts, then `malformed` and `has_error`, then the line's number.
Row = tuple[str | bool | int | None, ...]

# Fields that name something. Where one has a value that is neither text nor number, the line is
# malformed. Where another field has one, its text is one that nothing can be read from.
NAMES = {"request_id", "owner_uin", "operate_uin", "action", "region", "error_code"}
NAMES |= {"component_code"}
UNREADABLE = "{}"
_ATTRIBUTE = "attribute_"


def names_something(field: str) -> bool:
    """Whether a field names something, as those of NAMES and attributes do."""
    return field in NAMES or field.startswith(_ATTRIBUTE)


def emptiness(shape: Shape, field: str) -> Callable[[str], bool]:
    """What tells whether a text of a field stands for no value."""
    return no_error_rule(shape) if field == "error_code" else lambda text: text == ""


def code_paths(shape: Shape) -> dict[str, str]:
    """The path of the code in each of the `error_parents`."""
    return {
        parent: path for path in shape.fields.get("error_code", ()) if (parent := parent_of(path))
    }


def error_parents(shape: Shape) -> set[str]:
    """The objects that hold an error code. Where there is one, there was an error."""
    return set(shape.error_parents)


def malformed_row(shape: Shape, line_number: int) -> Row:
    return (*(None for _ in shape.feed.fields), True, False, line_number)


def row_of_texts(
    texts: list[str | bool | None], shape: Shape, line_number: int, *, has_error: bool
) -> Row:
    """A row, with the values that the shape implies for all its lines."""
    for name, text in shape.constants.items():
        place = list(shape.feed.fields).index(name)
        texts[place] = text if texts[place] is None else texts[place]
    return (*texts, False, has_error, line_number)
