"""Identifiers and error codes since version 2 of the reading rules.

A copy on purpose of ingest/feeds/identifiers.sql, by what docs/landing.md says.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import polars as pl

from callbill.ingest.shapes import Shape


def _characters(*ranges: tuple[int, int]) -> str:
    return "".join(chr(code) for first, last in ranges for code in range(first, last + 1))


# Zero-width characters, marks of direction, the byte-order mark.
_UNSEEN = "\u00ad\u061c\u180e\ufeff" + _characters(
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F)
)
_BLANKS = "\t\n\v\f\r \u0085\u00a0\u1680\u202f\u205f\u3000" + _characters(
    (0x2000, 0x200A), (0x2028, 0x2029)
) + _UNSEEN  # fmt: skip
_NEVER_INSIDE = frozenset(_characters((0x00, 0x1F), (0x7F, 0x9F), (0x2028, 0x2029)) + _UNSEEN)
_PLACEHOLDERS = frozenset({"-", "null", "nil", "none", "undefined", "nan", "n/a", "\\n"})
_NUMBER = re.compile(r"[+-]?(\d*)[.,]?(\d*)([eE][+-]?\d+)?", re.ASCII)
_FLOATING_ID = re.compile(r"[+-]?\d([.,]\d+)?[eE]\+\d+|\d+\.0+", re.ASCII)
_ZERO = re.compile(r"[+-]?(0[xX]0+|(0+[.,]?0*|[.,]0+)([eE][+-]?\d+)?)", re.ASCII)

# Which rule each identifier follows: of request ids, of numbers, of codes.
_KINDS = {
    "request_id": "request",
    "owner_uin": "number",
    "operate_uin": "number",
    "action": "code",
    "component_code": "code",
    "attribute": "code",
    "value": "code",
}
# What is absent if it is no identifier: a call's owner pays, whoever made it.
_ABSENT_IF_INVALID = ("operate_uin",)
# Texts that surely are identifiers as they are.
_USUAL = {
    "request": r"^[0-9A-Za-z_-]{10,}$",
    "number": r"^[0-9]+$",
    "code": r"^[0-9A-Za-z_-]{10,}$",
}


def strip(text: str) -> str:
    """A text without blanks, a spreadsheet's apostrophes, and `="…"` around it."""
    text = text.lstrip(_BLANKS + "'").rstrip(_BLANKS)
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        text = text[2:-1].lstrip(_BLANKS + "'").rstrip(_BLANKS)
    return text


def is_invalid(text: str, kind: str) -> bool:
    """Whether a stripped text is no identifier of its kind."""
    if not _NEVER_INSIDE.isdisjoint(text):
        return True
    if kind == "request":
        return _FLOATING_ID.fullmatch(text) is not None
    if kind == "number" and not (text.isascii() and text.isdigit()):
        return text[:1] not in "eE" and _NUMBER.fullmatch(text) is not None
    return False


def says_zero(text: str | None, shape: Shape) -> bool:
    """Whether an error code that is not blank says that there was no error."""
    return _is_zero(strip(text or ""), shape)


def _is_zero(stripped: str, shape: Shape) -> bool:
    return _ZERO.fullmatch(stripped) is not None or (
        stripped != "" and stripped in shape.no_error_codes
    )


def is_no_error(text: str, shape: Shape) -> bool:
    """Whether an error code says nothing, or that there was no error."""
    stripped = strip(text)
    return stripped.lower() in ("", "nan", "+nan", "-nan") or _is_zero(stripped, shape)


def cleaned(texts: pl.DataFrame) -> pl.DataFrame:
    """Rows of texts of calls or terms with identifiers as they count. A row with one that cannot be
    an identifier is malformed, unless it can do without."""
    malformed = texts["malformed"]
    attributes = {name: "code" for name in texts.columns if name.startswith("attribute_")}
    for field, kind in (_KINDS | attributes).items():
        if field not in texts.columns:
            continue
        column = texts[field]
        odd = column.is_not_null() & ~column.str.contains(_USUAL[kind])
        if not odd.any():
            continue
        values = {text: strip(text) for text in column.filter(odd).unique()}
        invalid = [
            text
            for text, stripped in values.items()
            if stripped.lower() not in _PLACEHOLDERS and is_invalid(stripped, kind)
        ]
        meant = {
            text: None if stripped == "" or stripped.lower() in _PLACEHOLDERS else stripped
            for text, stripped in values.items()
        }
        if field in _ABSENT_IF_INVALID:
            meant |= dict.fromkeys(invalid)
        else:
            malformed |= column.is_in(invalid).fill_null(False)
        texts = texts.with_columns(column.replace(meant).alias(field))
    return texts.with_columns(malformed)


def strip_name(name: str) -> str:
    """The name of a column or a key without blanks around it, and in lower case."""
    return name.strip(_BLANKS).lstrip("'").strip(_BLANKS).lower()


def name_rule(shape: Shape) -> Callable[[str], str]:
    """What brings the name of a Parquet column into the form in which it is matched."""
    return strip_name if shape.reading_rules >= 2 else str.lower


ErrorRule = Callable[[str], bool]


def no_error_rule(shape: Shape) -> ErrorRule:
    """What tells whether a text of error_code stands for no error, by the shape's rules."""
    if shape.reading_rules < 2:
        return lambda text: text == "" or text in shape.no_error_codes
    return lambda text: is_no_error(text, shape)
