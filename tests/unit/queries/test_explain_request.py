"""When a call that was billed is taken back."""

from __future__ import annotations

from datetime import date
from typing import Any

from callbill.queries.explain.request import WHY_NOT_BILLED, taken_back_on


def call(day: int, disposition: str) -> dict[str, Any]:
    return {"settled_on": date(2026, 3, day), "disposition": disposition}


def test_the_first_reversal_after_the_call() -> None:
    billed, duplicate, reversed_, again = (
        call(1, "billed"),
        call(2, "duplicate"),
        call(3, "reversed"),
        call(9, "billed"),
    )
    calls = [billed, duplicate, reversed_, again, call(12, "reversed")]
    assert taken_back_on(billed, calls) == date(2026, 3, 3)
    assert taken_back_on(again, calls) == date(2026, 3, 12)
    assert taken_back_on(again, calls[:4]) is None


def test_only_a_billed_call_needs_no_reason() -> None:
    dispositions = {"failed", "conflict", "duplicate", "unrated", "too_old", "reversed"}
    assert set(WHY_NOT_BILLED) == dispositions
