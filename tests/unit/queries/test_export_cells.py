"""Values of an export as text."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from callbill.queries.export.cells import as_text, is_formula


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (Decimal("0E-8"), "0.00000000"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (datetime(2026, 3, 1, 8, tzinfo=timezone(timedelta(hours=8))), "2026-03-01T00:00:00Z"),
        (datetime(2026, 3, 1, 8), "2026-03-01 08:00:00"),  # noqa: DTZ001
        (date(2026, 3, 1), "2026-03-01"),
        (7, "7"),
    ],
)
def test_values(value: object, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize("text", ["=1+1", "-1", "+1", "@x", "\tx", "\rx", "＝1", "'=1", "''=1"])
def test_texts_that_a_spreadsheet_would_compute(text: str) -> None:
    assert is_formula(text)


@pytest.mark.parametrize("text", ["", "1", "a=1", "'x", " =1"])
def test_texts_that_it_would_not(text: str) -> None:
    assert not is_formula(text)
