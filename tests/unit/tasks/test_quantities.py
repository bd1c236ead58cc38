"""How settlements move calls between steps and packages, where nights seldom come."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest
from callbill.tasks.quantities import Account, Package, Terms

_MARCH = {day: date(2026, 3, day) for day in range(1, 32)}
_NEWS = _MARCH[6]


def ladder(period: str, price: str) -> Terms:
    """A first step of two calls, and a second one."""
    prices = ((Decimal(price), Decimal(price)), (Decimal(40), Decimal(40)))
    return Terms(period, (0, 2), prices, is_agreed=False)


@pytest.fixture
def account() -> Account:
    """With steps by month, and by day from the 6th on; and a package of one call of the 1st."""
    terms = {
        (usage_date, known_on): ladder("month", "60") if known_on < _NEWS else ladder("day", "50")
        for usage_date in _MARCH.values()
        for known_on in _MARCH.values()
    }
    account = Account("1", "pages", terms)
    known = (_MARCH[1], date.max)
    account.packages.append(Package("P", 1, _MARCH[1], _MARCH[2], *known))
    return account


def moved(account: Account, settled_on: date) -> dict[tuple[int, int | None], int]:
    """Calls by the day of their usage and their step."""
    calls: defaultdict[tuple[int, int | None], int] = defaultdict(int)
    for move in account.moves:
        if move.settled_on == settled_on:
            calls[move.usage_date.day, move.tier_from] += move.calls
    return {key: number for key, number in calls.items() if number}


def test_a_step_that_owes_calls_is_filled_up_first(account: Account) -> None:
    """The call of the 1st comes from the package. When it is taken back, the step gives back that
    of the 2nd. Counted by day, the 1st then has one call fewer than none on its steps."""
    account.settle(_MARCH[2], {_MARCH[1]: 1}, {}, has_news=False)
    account.settle(_MARCH[3], {_MARCH[2]: 1}, {}, has_news=False)
    account.settle(_MARCH[4], {}, {_MARCH[1]: 1}, has_news=False)
    assert moved(account, _MARCH[4]) == {(1, 0): -1}
    account.settle(_NEWS, {}, {}, has_news=True)
    # Three more: two are on the first step then, and none is on the second.
    account.settle(_MARCH[7], {_MARCH[1]: 3}, {}, has_news=False)
    assert moved(account, _MARCH[7]) == {(1, 0): 3}
