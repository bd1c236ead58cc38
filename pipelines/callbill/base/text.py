"""Texts from files and users, made safe to show on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches


def printable(value: object) -> str:
    """A value as text, with each control character escaped. None is the empty text."""
    text = f"{value:f}" if isinstance(value, Decimal) else "" if value is None else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def closest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: which known one may be meant, or all."""
    names = list(known)
    if meant := get_close_matches(word.lower(), names, n=1, cutoff=0.7):
        return f": is {meant[0]} meant?"
    return f": known are {', '.join(names)}"
