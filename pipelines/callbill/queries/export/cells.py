"""Values as text, and texts that a spreadsheet would take for a formula."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal

# A spreadsheet computes a cell that begins with one of these. A text that begins with quotes before
# it is quoted once more, so that two different texts stay different.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet could compute a text instead of showing it."""
    return _FORMULA.match(text) is not None


def as_text(value: object) -> str:
    """A value in full: numbers with all their decimals, instants in UTC, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
