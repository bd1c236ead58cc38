"""Texts from files and users, made safe to show on a terminal."""

from __future__ import annotations

from decimal import Decimal


def printable(value: object) -> str:
    """A value as text, with each control character escaped. None is the empty text."""
    text = f"{value:f}" if isinstance(value, Decimal) else "" if value is None else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
