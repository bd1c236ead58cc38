"""How settlements move calls between steps and packages, where nights seldom come."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import date, timedelta
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


def test_what_is_taken_back_is_found_whatever_becomes_known_later() -> None:
    """Calls in packages and on steps fail in any order, while discounts and other periods become
    known. No package gets back more than it gave, and the calls of each usage date add up."""
    nights = [_MARCH[day] for day in range(6, 31)]
    usage_dates = [_MARCH[day] for day in range(1, 5)]
    owed = 0
    for seed in range(300):
        chance = random.Random(seed)
        news = {u: sorted(chance.sample(nights, 2)) for u in usage_dates}
        kinds = [ladder(chance.choice(("month", "ever", "day")), price) for price in "135"]
        account = Account(
            "1",
            "pages",
            {
                (u, on): kinds[sum(known_on <= on for known_on in news[u])]
                for u in usage_dates
                for on in (_MARCH[5], *nights)
            },
        )
        for number, begin in enumerate(usage_dates):
            end = begin + timedelta(days=chance.choice((1, 2, 30)))
            known = (_MARCH[1], date.max)
            account.packages.append(Package(f"P{number}", chance.randrange(3), begin, end, *known))
        stand: Counter[date] = Counter()
        for night in nights:
            reversed_ = Counter({u: chance.randint(0, stand[u]) for u in usage_dates if stand[u]})
            charged = Counter(chance.choices(usage_dates, k=chance.randrange(3)))
            has_news = any(night in known_on for known_on in news.values())
            account.settle(night, charged, +reversed_, has_news=has_news)
            stand += charged
            stand -= reversed_
            by_package: Counter[str | None] = Counter()
            by_date: Counter[date] = Counter()
            for move in account.moves:
                by_package[move.package_id] += move.calls
                by_date[move.usage_date] += move.calls
            assert +by_date == stand, (seed, night)
            assert all(calls >= 0 for name, calls in by_package.items() if name), (seed, night)
            owed += by_package[None] < 0
    assert owed


def test_a_month_with_two_ladders_costs_what_its_calls_say_by_any_order() -> None:
    """From the 10th on the steps are others. Calls become known in any order, and some are taken
    back, in the end all of them."""
    nights = [_MARCH[31] + timedelta(days=n) for n in range(60)]
    for seed in range(40):
        chance = random.Random(seed)
        old = Terms("month", (0, 4), ((Decimal(60),) * 2, (Decimal(50),) * 2), is_agreed=False)
        new = Terms("month", (0, 3), ((Decimal(40),) * 2, (Decimal(30),) * 2), is_agreed=False)
        terms = {day: old if day < _MARCH[10] else new for day in _MARCH.values()}
        account = Account("1", "pages", {(u, on): terms[u] for u in terms for on in nights})
        usage = [chance.choice(list(_MARCH.values())) for _ in range(15)]
        coming, going = chance.sample(usage, 15), chance.sample(usage, 15)
        stand: Counter[date] = Counter()
        for night in nights:
            charged: Counter[date] = Counter()
            reversed_: Counter[date] = Counter()
            if coming and chance.random() < 0.6:
                charged.update(coming.pop() for _ in range(min(len(coming), 2)))
            elif going and stand[going[-1]]:
                reversed_[going.pop()] += 1
            stand.update(charged)
            stand.subtract(reversed_)
            account.settle(night, charged, reversed_, has_news=False)
            assert cost(account, terms) == cost_in_order(stand, terms), (seed, night)
        for day, calls in stand.items():
            account.settle(nights[-1], {}, {day: calls}, has_news=False)
        assert cost(account, terms) == 0


def cost(account: Account, terms: dict[date, Terms]) -> Decimal:
    """What all moves cost, per thousand calls."""
    return sum(
        (move.calls * price_of(terms[move.usage_date], move.tier_from) for move in account.moves),
        Decimal(0),
    )


def cost_in_order(calls: Counter[date], terms: dict[date, Terms]) -> Decimal:
    """What calls cost if each has its place in order of usage date."""
    in_order = sorted(calls.elements())
    return sum(
        (
            price_of(terms[day], max(tier for tier in terms[day].tiers if tier <= place))
            for place, day in enumerate(in_order)
        ),
        Decimal(0),
    )


def price_of(terms: Terms, tier_from: int | None) -> Decimal:
    assert tier_from is not None
    return terms.prices[terms.tiers.index(tier_from)][1]
