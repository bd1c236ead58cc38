"""Showing texts that came from outside."""

from __future__ import annotations

from decimal import Decimal


def printable(value: object) -> str:
    """A value's text with every control character escaped."""
    text = f"{value:f}" if isinstance(value, Decimal) else "" if value is None else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
