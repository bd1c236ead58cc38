"""Prices that depend on how much: how settlements move calls between steps, packages and waivers.

All of it is about whole numbers of calls; the model int_quantity_lines adds prices. Accounts are
gone through settlement date by settlement date. What stands at the end of one date is what the next
begins with: quantity_moves.py reads that, and writes what is counted here. On each date, in this
order:

1. Re-rating, if a price becomes known otherwise: the calls of the periods that it touches are taken
   back at the old prices and charged at the new, in order of usage date.
2. Waivers that no longer find as many calls give up the rest, before what is charged on the date.
3. Reversals: each takes the topmost call of its period.
4. Charges, in order of usage date: from packages first, then on the steps.
5. Waivers take back calls, as reversals do.

A period whose calls are on several ladders, or at several discounts, keeps them in order of usage
date. Otherwise what it costs would depend on the order in which its calls became known, and one
whose calls were all taken back could cost something. So the topmost call is then the topmost of the
usage date's own ladder, and later usage that thereby gets to another step is re-rated.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from callbill.base.errors import CallbillError

_DAY = timedelta(days=1)


class Slot(NamedTuple):
    """Where a call stands: on a step of a ladder, in a package, or, with neither, at a price that
    does not depend on how much."""

    tier_period: str | None = None
    tier_from: int | None = None
    package_id: str | None = None


_NO_SLOT = Slot()
# The period of a ladder and its first day.
_Period = tuple[str, date]


@dataclass(frozen=True)
class Terms:
    """What is in force for a usage date as known on a date: the steps, in order, and the prices by
    which it is seen whether anything changed."""

    tier_period: str | None
    tiers: tuple[int, ...]
    prices: tuple[tuple[Decimal, Decimal], ...]
    is_agreed: bool

    def differ(self, other: Terms) -> bool:
        """Whether a call costs otherwise. The way to an equal price does not matter."""
        mine = (self.tier_period, self.tiers, self.prices)
        return mine != (other.tier_period, other.tiers, other.prices)

    def period_of(self, usage_date: date) -> _Period:
        """The period in which calls of a usage date are counted together."""
        return self.tier_period or "", _start(self.tier_period or "day", usage_date)


@dataclass(frozen=True)
class Package:
    """A version of a package, known on settlement dates from `known_from` up to `known_to`."""

    package_id: str
    calls: int
    valid_from: date
    valid_to: date
    known_from: date
    known_to: date


@dataclass(frozen=True)
class Waiver:
    """A version of a waiver. With `calls` it waives so many of the usage date, without it the call
    whose charges are in `charged`, by settlement date."""

    waiver_id: str
    usage_date: date
    calls: int | None
    first_known_from: date
    known_from: date
    known_to: date
    charged: Mapping[date, int] = field(default_factory=dict)

    def wants(self, known_on: date) -> int:
        """How many calls it would take back, if so many stand charged."""
        if self.calls is not None:
            return self.calls
        return sum(calls for day, calls in self.charged.items() if day <= known_on)


class Move(NamedTuple):
    """A row of `ops.quantity_moves`."""

    settled_on: date
    owner_uin: str
    component_code: str
    usage_date: date
    line_type: str
    tier_period: str | None
    tier_from: int | None
    package_id: str | None
    waiver_id: str | None
    known_on: date
    calls: int
    is_lost: bool


class Account:
    """The calls of one account and component that stand charged, and how settlements move them."""

    def __init__(
        self, owner_uin: str, component_code: str, terms: Mapping[tuple[date, date], Terms]
    ) -> None:
        self.owner_uin = owner_uin
        self.component_code = component_code
        # By usage date and the date as of which they are known.
        self.terms = terms
        self.packages: list[Package] = []
        self.waivers: list[Waiver] = []
        # Calls charged less calls reversed, by usage date and settlement date.
        self.net_charges: dict[date, dict[date, int]] = {}
        self.moves: list[Move] = []
        self._standing: defaultdict[date, defaultdict[Slot, int]] = defaultdict(
            lambda: defaultdict(int)
        )
        # The calls on the steps of a period, and its last usage date with any.
        self._on_steps: defaultdict[_Period, int] = defaultdict(int)
        self._last_on_steps: dict[_Period, date] = {}
        # Periods with later usage on another ladder than that of a call which was moved.
        self._shifted: set[_Period] = set()
        # The calls that a package has given less those that it got back in time.
        self._drawn: defaultdict[str, int] = defaultdict(int)
        self._waived: defaultdict[tuple[date, str], int] = defaultdict(int)

    def stand(
        self,
        usage_date: date,
        slot: Slot,
        calls: int,
        *,
        waiver_id: str | None = None,
        is_lost: bool = False,
    ) -> None:
        """Add calls to what stands charged."""
        self._standing[usage_date][slot] += calls
        if slot.tier_period is not None:
            period = (slot.tier_period, _start(slot.tier_period, usage_date))
            self._on_steps[period] += calls
            self._last_on_steps[period] = max(
                usage_date, self._last_on_steps.get(period, usage_date)
            )
        if slot.package_id is not None and not is_lost:
            self._drawn[slot.package_id] += calls
        if waiver_id is not None:
            self._waived[usage_date, waiver_id] -= calls

    def settle(
        self,
        settled_on: date,
        charged: Mapping[date, int],
        reversed_: Mapping[date, int],
        *,
        has_news: bool,
    ) -> None:
        """Settle a date: `charged` and `reversed_` have numbers of calls by usage date."""
        if has_news:
            self._rerate(settled_on)
        waived = self._calls_of_waivers(settled_on)
        for usage_date, waiver_id, calls in self._given_up(settled_on, waived, charged):
            self._put(settled_on, usage_date, calls, "correction", waiver_id)
        for usage_date in sorted(reversed_):
            self._take(settled_on, usage_date, reversed_[usage_date], "correction")
        for usage_date in sorted(charged):
            line_type = "usage" if settled_on - usage_date == _DAY else "late_usage"
            calls = charged[usage_date]
            if not self._terms(usage_date, settled_on).is_agreed:
                calls = self._draw(settled_on, usage_date, calls, line_type)
            self._put(settled_on, usage_date, calls, line_type)
        for usage_date, waiver_id, calls in waived:
            more = calls - self._waived[usage_date, waiver_id]
            if more > 0:
                self._take(settled_on, usage_date, more, "correction", waiver_id)
        for period in sorted(self._shifted):
            self._put_in_order(settled_on, period)
        self._shifted.clear()

    def _terms(self, usage_date: date, known_on: date) -> Terms:
        try:
            return self.terms[usage_date, known_on]
        except KeyError:
            raise CallbillError(
                f"{self.component_code} has no price for usage of {usage_date} by "
                f"{self.owner_uin}, as known on {known_on}"
            ) from None

    def _rerate(self, settled_on: date) -> None:
        # Calls drawn from packages stay there.
        priced = {
            usage_date: [slot for slot, calls in slots.items() if calls and not slot.package_id]
            for usage_date, slots in self._standing.items()
        }
        dates = sorted(usage_date for usage_date, slots in priced.items() if slots)
        old = {usage_date: self._terms(usage_date, settled_on - _DAY) for usage_date in dates}
        new = {usage_date: self._terms(usage_date, settled_on) for usage_date in dates}
        touched = _touched(dates, old, new)
        again = {
            usage_date: sum(self._standing[usage_date][slot] for slot in priced[usage_date])
            for usage_date in touched
        }
        for usage_date in touched:
            for slot in priced[usage_date]:
                calls = self._standing[usage_date][slot]
                self._move(
                    settled_on, usage_date, slot, -calls, "rerating", known_on=settled_on - _DAY
                )
        for run in _runs(again, new):
            self._put_run(settled_on, run)

    def _put_run(self, settled_on: date, run: Mapping[date, int]) -> None:
        """Charge calls of usage dates on one ladder. A usage date has fewer than none where its
        calls lie in packages and those that were taken back were others'."""
        for usage_date, calls in run.items():
            if calls > 0:
                self._put(settled_on, usage_date, calls, "rerating")
        for usage_date, calls in run.items():
            if calls < 0:
                period = self._terms(usage_date, settled_on).period_of(usage_date)
                place = self._on_steps[period]
                self._take_from(settled_on, usage_date, place, -calls, "rerating")

    def _put_in_order(self, settled_on: date, period: _Period) -> None:
        """Re-rate the calls of a period with several ladders, from the first on that has other
        calls on its steps than it would have, were they all charged in order of usage date."""
        slots = self._slots_of(period)
        terms = {usage_date: self._terms(usage_date, settled_on) for usage_date in slots}
        runs = _runs({day: sum(on_steps.values()) for day, on_steps in slots.items()}, terms)
        place = 0
        while runs:
            stand: defaultdict[int | None, int] = defaultdict(int)
            for usage_date in runs[0]:
                for slot, calls in slots[usage_date].items():
                    stand[slot.tier_from] += calls
            calls_of_run = sum(runs[0].values())
            fitting = _on_tiers(terms[min(runs[0])].tiers, place, calls_of_run)
            if {tier: calls for tier, calls in stand.items() if calls} != fitting:
                break
            place += calls_of_run
            runs = runs[1:]
        for run in runs:
            for usage_date in run:
                for slot, calls in slots[usage_date].items():
                    self._move(settled_on, usage_date, slot, -calls, "rerating")
        for run in runs:
            self._put_run(settled_on, run)

    def _slots_of(self, period: _Period) -> dict[date, dict[Slot, int]]:
        """What stands on the steps of a period, in order of usage date."""
        tier_period, start = period
        slots: dict[date, dict[Slot, int]] = {}
        for usage_date in sorted(self._standing):
            if _start(tier_period, usage_date) == start:
                for slot, calls in self._standing[usage_date].items():
                    if calls and slot.tier_period == tier_period:
                        slots.setdefault(usage_date, {})[slot] = calls
        return slots

    def _calls_of_waivers(self, settled_on: date) -> list[tuple[date, str, int]]:
        """How many calls each waiver takes back from this date on. Together they never take more
        than the net calls of their usage date."""
        known = [w for w in self.waivers if w.known_from <= settled_on < w.known_to]
        room: dict[date, int] = {}
        waived = []
        for waiver in sorted(known, key=lambda w: (w.first_known_from, w.waiver_id)):
            usage_date = waiver.usage_date
            if usage_date not in room:
                room[usage_date] = self._net_calls(usage_date, settled_on)
            calls = max(0, min(waiver.wants(settled_on), room[usage_date]))
            room[usage_date] -= calls
            waived.append((usage_date, waiver.waiver_id, calls))
        return waived

    def _given_up(
        self, settled_on: date, waived: Iterable[tuple[date, str, int]], charged: Mapping[date, int]
    ) -> list[tuple[date, str, int]]:
        """How many calls each waiver gives up before calls are reversed. What is charged on the
        date comes later, so a waiver may have to give up a call and take back another one."""
        room: dict[date, int] = {}
        given_up = []
        for usage_date, waiver_id, calls in waived:
            if usage_date not in room:
                net_calls = self._net_calls(usage_date, settled_on)
                room[usage_date] = net_calls - charged.get(usage_date, 0)
            held = self._waived[usage_date, waiver_id]
            kept = max(0, min(held, calls, room[usage_date]))
            room[usage_date] -= kept
            if kept < held:
                given_up.append((usage_date, waiver_id, held - kept))
        return given_up

    def _net_calls(self, usage_date: date, settled_on: date) -> int:
        charges = self.net_charges.get(usage_date, {})
        return sum(calls for day, calls in charges.items() if day <= settled_on)

    def _draw(self, settled_on: date, usage_date: date, calls: int, line_type: str) -> int:
        """Draw calls from packages, as far as they have some. Returns how many are left."""
        open_ = [
            package
            for package in self.packages
            if package.known_from <= settled_on < package.known_to
            and package.valid_from <= usage_date < package.valid_to
        ]
        for package in sorted(open_, key=lambda p: (p.valid_to, p.package_id)):
            drawn = min(calls, max(0, package.calls - self._drawn[package.package_id]))
            slot = Slot(package_id=package.package_id)
            self._move(settled_on, usage_date, slot, drawn, line_type)
            calls -= drawn
        return calls

    def _put(
        self,
        settled_on: date,
        usage_date: date,
        calls: int,
        line_type: str,
        waiver_id: str | None = None,
    ) -> None:
        """Charge calls at the end of their period, each at its own step's price."""
        terms = self._terms(usage_date, settled_on)
        if terms.tier_period is None:
            self._move(settled_on, usage_date, _NO_SLOT, calls, line_type, waiver_id)
            return
        place = self._on_steps[terms.period_of(usage_date)]
        if usage_date < self._last_on_steps.get(terms.period_of(usage_date), usage_date):
            place, _ = self._place(settled_on, usage_date)
        for tier_from, fitting in _on_tiers(terms.tiers, place, calls).items():
            slot = Slot(terms.tier_period, tier_from)
            self._move(settled_on, usage_date, slot, fitting, line_type, waiver_id)

    def _place(self, settled_on: date, usage_date: date) -> tuple[int, int]:
        """How many calls are on the steps of a usage date's period, up to those of its own ladder;
        and how many on its own ladder."""
        terms = self._terms(usage_date, settled_on)
        if terms.tier_period is None:
            return 0, self._standing[usage_date][_NO_SLOT]
        period = terms.period_of(usage_date)
        place = own = 0
        for other, slots in self._slots_of(period).items():
            if self._terms(other, settled_on).differ(terms):
                if other > usage_date:
                    self._shifted.add(period)
                    break
                own = 0
            else:
                own += sum(slots.values())
            place += sum(slots.values())
        return place, own

    def _take(
        self,
        settled_on: date,
        usage_date: date,
        calls: int,
        line_type: str,
        waiver_id: str | None = None,
    ) -> None:
        """Take the topmost calls of the usage date's ladder back, and then calls of packages.

        A price that became known later can have put money that was given back for a package's call
        on another ladder. Neither has enough then, and the steps owe what is left."""
        # What stands on other ladders cannot be taken back at a price of this one.
        place, own = self._place(settled_on, usage_date)
        taken = min(calls, max(0, own))
        self._take_from(settled_on, usage_date, place, taken, line_type, waiver_id)
        left = calls - taken
        if left:
            left = self._give_back(settled_on, usage_date, left, line_type, waiver_id)
        self._take_from(settled_on, usage_date, place - taken, left, line_type, waiver_id)

    def _take_from(
        self,
        settled_on: date,
        usage_date: date,
        place: int,
        calls: int,
        line_type: str,
        waiver_id: str | None = None,
    ) -> None:
        """Take calls from a place on a ladder downwards, from its lowest step all that are left."""
        terms = self._terms(usage_date, settled_on)
        if terms.tier_period is None:
            self._move(settled_on, usage_date, _NO_SLOT, -calls, line_type, waiver_id)
            return
        for tier_from in reversed(terms.tiers):
            above = max(0, place - tier_from)
            taken = calls if tier_from == terms.tiers[0] else min(calls, above)
            slot = Slot(terms.tier_period, tier_from)
            self._move(settled_on, usage_date, slot, -taken, line_type, waiver_id)
            place -= taken
            calls -= taken

    def _give_back(
        self,
        settled_on: date,
        usage_date: date,
        calls: int,
        line_type: str,
        waiver_id: str | None,
    ) -> int:
        """Give calls back to packages: first to those that calls of the same period were drawn
        from, and of these to the one last in use. Returns how many are left."""
        near: Counter[str] = Counter()
        drawn: Counter[str] = Counter()
        for other, slots in self._standing.items():
            of_packages = {slot.package_id: n for slot, n in slots.items() if slot.package_id}
            drawn.update(of_packages)
            if of_packages and self._are_together(settled_on, usage_date, other):
                near.update(of_packages)
        known = {p.package_id: p for p in self.packages if p.known_from <= settled_on < p.known_to}
        in_use = sorted((known[name] for name in drawn), key=lambda p: (p.valid_to, p.package_id))
        for of_calls in (near, drawn):
            for package in reversed(in_use):
                name = package.package_id
                # Calls of another period can have given back what was drawn here.
                given = min(calls, max(0, min(of_calls[name], drawn[name])))
                self._move(
                    settled_on,
                    usage_date,
                    Slot(package_id=name),
                    -given,
                    line_type,
                    waiver_id,
                    is_lost=settled_on >= package.valid_to,
                )
                drawn[name] -= given
                calls -= given
        return calls

    def _are_together(self, settled_on: date, usage_date: date, other: date) -> bool:
        """Whether calls of two usage dates are counted together."""
        period = self._terms(usage_date, settled_on).period_of(usage_date)
        return other == usage_date or (
            _start(period[0] or "day", other) == period[1]
            and self._terms(other, settled_on).period_of(other) == period
        )

    def _move(
        self,
        settled_on: date,
        usage_date: date,
        slot: Slot,
        calls: int,
        line_type: str,
        waiver_id: str | None = None,
        *,
        known_on: date | None = None,
        is_lost: bool = False,
    ) -> None:
        if not calls:
            return
        self.stand(usage_date, slot, calls, waiver_id=waiver_id, is_lost=is_lost)
        self.moves.append(
            Move(
                settled_on,
                self.owner_uin,
                self.component_code,
                usage_date,
                line_type,
                *slot,
                waiver_id,
                known_on or settled_on,
                calls,
                is_lost,
            )
        )


def _start(period: str, usage_date: date) -> date:
    """The first day of the period that a usage date is in."""
    if period == "day":
        return usage_date
    return usage_date.replace(day=1) if period == "month" else date.min


def _touched(
    dates: Sequence[date], old: Mapping[date, Terms], new: Mapping[date, Terms]
) -> list[date]:
    """The usage dates whose prices change, and those that share a period with one of them, by the
    old terms or by the new."""
    periods: defaultdict[tuple[str | None, date], set[date]] = defaultdict(set)
    for usage_date in dates:
        for terms in (old[usage_date], new[usage_date]):
            start = _start(terms.tier_period or "day", usage_date)
            periods[terms.tier_period, start].add(usage_date)
    touched = {day for day in dates if old[day].differ(new[day])}
    before = 0
    while len(touched) > before:
        before = len(touched)
        for together in periods.values():
            if together & touched:
                touched |= together
    return sorted(touched)


def _runs(calls: Mapping[date, int], terms: Mapping[date, Terms]) -> list[dict[date, int]]:
    """Calls by usage date, in order and in stretches of dates on one ladder."""
    runs: list[dict[date, int]] = []
    last: Terms | None = None
    for usage_date in sorted(calls):
        if last is None or last.differ(terms[usage_date]):
            runs.append({})
        last = terms[usage_date]
        runs[-1][usage_date] = calls[usage_date]
    return runs


def _on_tiers(tiers: Sequence[int], place: int, calls: int) -> dict[int, int]:
    """How many of so many calls are on each step, if the first comes after `place` others. Fewer
    than none are as many off the steps below."""
    if calls < 0:
        return {tier: -n for tier, n in _on_tiers(tiers, place + calls, -calls).items()}
    on_tiers = {}
    for tier_from, tier_to in zip(tiers, (*tiers[1:], None), strict=True):
        fitting = calls if tier_to is None else min(calls, max(0, tier_to - place))
        if fitting:
            on_tiers[tier_from] = fitting
        place += fitting
        calls -= fitting
    return on_tiers
