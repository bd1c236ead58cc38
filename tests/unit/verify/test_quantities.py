"""Calls on steps, as `verify` counts them once more, where nights seldom come."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import cast

from callbill.verify.prices import Price, PriceBook, PriceTerms
from callbill.verify.quantities import Account

_MARCH = {day: date(2026, 3, day) for day in range(1, 32)}
_NEWS = _MARCH[15]


def ladder(second_from: int, first: int, second: int) -> PriceTerms:
    prices = tuple(Price(price * 10**8, 10**6, price * 10**8) for price in (first, second))
    return PriceTerms("month", (0, second_from), prices, 10**6)


class Book:
    """Other steps from the 15th on for all usage, and yet others for usage since the 10th."""

    def terms(self, _owner: str, _component: str, usage_date: date, known_on: date) -> PriceTerms:
        if known_on < _NEWS:
            return ladder(2, 60, 50)
        return ladder(4, 60, 50) if usage_date < _MARCH[10] else ladder(3, 40, 30)

    def dates_of_news(self, _owner: str, _component: str) -> list[date]:
        return [_NEWS]


def test_steps_of_an_earlier_ladder_are_no_steps_any_more() -> None:
    """All calls were on the steps of a ladder that is no more. One of the 9th is taken back: a call
    of the 10th is the third of the month then, and re-rated."""
    charges = {
        _MARCH[9]: {_MARCH[10]: (3, 0), _MARCH[20]: (0, 1)},
        _MARCH[10]: {_MARCH[11]: (3, 0)},
    }
    account = Account("1", "pages", cast("PriceBook", Book()), charges)
    lines: Counter[tuple[int, str, int | None]] = Counter()
    for line, calls in account.lines(_MARCH[31]).items():
        if line.settled_on == _MARCH[20]:
            lines[line.usage_date.day, line.line_type, line.tier_from] += calls
    assert lines == {
        (9, "correction", 0): -1,
        (10, "rerating", 0): 1,
        (10, "rerating", 3): -1,
    }
