"""Attributes: what else a record says of its call, as one text.

A text such as `edition=flagship;plan=gold` has the attributes in the order of their names. Records
have it, and claims of the catalogue ask for it. A `;` in a value is written as %3B.
"""

from __future__ import annotations

ATTRIBUTE_NAME = "[a-z][a-z0-9_]{0,39}"
_SEPARATOR, _ESCAPED = ";", "%3B"


def attributes_text(values: dict[str, str]) -> str:
    """Attributes as one text, in the order of their names."""
    return _SEPARATOR.join(
        f"{name}={values[name].replace(_SEPARATOR, _ESCAPED)}" for name in sorted(values)
    )


def attribute_pairs(text: str | None) -> tuple[str, ...]:
    """Each attribute in a text, as NAME=VALUE."""
    return tuple(text.split(_SEPARATOR)) if text else ()
