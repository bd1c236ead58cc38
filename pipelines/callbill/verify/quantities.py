"""Calls on the steps of ladders, in packages and under waivers, counted once more.

A copy on purpose of tasks/quantities.py. That one goes through the steps that calls move over. Here
a function says how many of so many calls are on each step, and a line is the difference between
what it says before and after.

Where the calls of a period cost by several ladders they are numbered in order of usage date, and
whatever is moved there ends with every stretch of one ladder having its own numbers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby

from callbill.verify.calls import Requests
from callbill.verify.prices import Price, PriceBook, PriceTerms
from callbill.verify.quantity_feeds import Known, PackageTerms, WaiverTerms

ONE_DAY = timedelta(1)
_FREE = Price(0, 10**6, 0)


@dataclass(frozen=True)
class Counted:
    """Calls of a line, with the step, package and waiver that they belong to."""

    settled_on: date
    usage_date: date
    line_type: str
    price: Price
    tier_from: int | None = None
    package_id: str | None = None
    waiver_id: str | None = None
    reason: str | None = None


@dataclass
class Account:
    """What is known of an account and component: terms, and calls by usage and settlement date."""

    owner_uin: str
    component_code: str
    book: PriceBook
    # By usage date and settlement date: calls charged, calls taken back.
    charges: Mapping[date, Mapping[date, Sequence[int]]]
    packages: list[Known] = field(default_factory=list)
    waivers: list[Known] = field(default_factory=list)
    # What became of waived requests.
    requests: Requests = field(default_factory=dict)

    def lines(self, through: date) -> Counter[Counted]:
        """The calls of all lines through a settlement date."""
        self._lines: Counter[Counted] = Counter()
        # How many calls stand outside packages, by usage date and step; None without a step.
        self._priced: defaultdict[date, Counter[int | None]] = defaultdict(Counter)
        self._height: Counter[tuple[str, date]] = Counter()
        self._drawn: defaultdict[date, Counter[str]] = defaultdict(Counter)
        self._spent: Counter[str] = Counter()
        self._waived: Counter[tuple[object, ...]] = Counter()
        # Where something was moved below calls on another ladder.
        self._mixed: set[tuple[str, date]] = set()
        news = set(self.book.dates_of_news(self.owner_uin, self.component_code))
        days = {day for by_day in self.charges.values() for day in by_day}
        days |= news | {waiver.known_from for waiver in self.waivers}
        for day in sorted(days):
            if day <= through:
                self._settle(day, has_news=day in news)
        return Counter({line: calls for line, calls in self._lines.items() if calls})

    def _settle(self, day: date, *, has_news: bool) -> None:
        if has_news:
            self._rerate(day)
        changes = list(self._waiver_changes(day))
        for usage_date, waiver_id, reason, less, _more in changes:
            if less:
                self._move(day, usage_date, less, "correction", waiver_id, reason)
        today = {u: by_day[day] for u, by_day in sorted(self.charges.items()) if day in by_day}
        for usage_date, (_charged, taken_back) in today.items():
            self._descend(day, usage_date, taken_back, "correction")
        for usage_date, (charged, _taken_back) in today.items():
            line_type = "usage" if day - usage_date == ONE_DAY else "late_usage"
            if charged:
                left = charged - self._draw(day, usage_date, charged, line_type)
                self._move(day, usage_date, left, line_type)
        for usage_date, waiver_id, reason, _less, more in changes:
            if more:
                self._descend(day, usage_date, more, "correction", waiver_id, reason)
        for group in sorted(self._mixed):
            self._number_again(day, group)
        self._mixed.clear()

    def _terms(self, usage_date: date, known_on: date) -> PriceTerms:
        return self.book.terms(self.owner_uin, self.component_code, usage_date, known_on)

    def _rerate(self, day: date) -> None:
        standing = {
            usage_date: steps
            for usage_date, steps in sorted(self._priced.items())
            if any(steps.values())
        }
        old = {usage_date: self._terms(usage_date, day - ONE_DAY) for usage_date in standing}
        new = {usage_date: self._terms(usage_date, day) for usage_date in standing}
        group = {u: {old[u].group(u), new[u].group(u)} for u in standing}
        again = {u for u in standing if old[u].costs != new[u].costs}
        while more := {
            u for u in standing if u not in again and any(group[u] & group[o] for o in again)
        }:
            again |= more
        calls_again = {}
        for usage_date in sorted(again):
            calls_again[usage_date] = sum(standing[usage_date].values())
            for step, calls in [*standing[usage_date].items()]:
                if not calls:
                    continue  # of an earlier ladder
                self._count(day, usage_date, step, -calls, "rerating", day - ONE_DAY)
                if step is not None:
                    self._height[old[usage_date].group(usage_date)] -= calls
        self._put_again(day, calls_again)

    def _put_again(self, day: date, calls_again: Mapping[date, int]) -> None:
        """Charge calls in order of usage date. Fewer than none are where calls lie in packages, and
        those that were taken back were others' on the same ladder."""
        for stretch in self._stretches(calls_again, day):
            for usage_date in sorted(stretch, key=lambda u: (calls_again[u] < 0, u)):
                group = self._terms(usage_date, day).group(usage_date)
                self._move(
                    day, usage_date, calls_again[usage_date], "rerating", height=self._height[group]
                )

    def _stretches(self, usage_dates: Iterable[date], day: date) -> list[list[date]]:
        """Usage dates in order, those that follow each other on one ladder together."""
        in_order = sorted(usage_dates)
        by_costs = groupby(in_order, key=lambda usage_date: self._terms(usage_date, day).costs)
        return [list(stretch) for _, stretch in by_costs]

    def _on_steps(self, group: tuple[str, date], day: date) -> dict[date, Counter[int | None]]:
        """The calls of a period by usage date and step, without the steps of earlier ladders."""
        return {
            usage_date: Counter({step: calls for step, calls in steps.items() if calls})
            for usage_date, steps in self._priced.items()
            if any(steps.values()) and self._terms(usage_date, day).group(usage_date) == group
        }

    def _own_numbers(self, usage_date: date, day: date) -> tuple[int, int]:
        """Between which numbers the calls of a usage date's stretch lie."""
        terms = self._terms(usage_date, day)
        group = terms.group(usage_date)
        on_steps = self._on_steps(group, day)
        first = last = 0
        for stretch in self._stretches({*on_steps, usage_date}, day):
            first = last
            last += sum(sum(on_steps[u].values()) for u in stretch if u in on_steps)
            if usage_date in stretch:
                break
        if any(u > usage_date and self._terms(u, day).costs != terms.costs for u in on_steps):
            self._mixed.add(group)
        return first, last

    def _number_again(self, day: date, group: tuple[str, date]) -> None:
        """Re-rate from the first stretch on that has not the steps which its numbers say."""
        on_steps = self._on_steps(group, day)
        calls_again: dict[date, int] = {}
        last = 0
        for stretch in self._stretches(on_steps, day):
            have: Counter[int | None] = Counter()
            for usage_date in stretch:
                have.update(on_steps[usage_date])
            first, last = last, last + sum(have.values())
            should: Counter[int | None] = Counter()
            should.update(dict(_difference(self._terms(stretch[0], day), first, last)))
            if calls_again or any(have[step] != should[step] for step in {*have, *should}):
                calls_again |= {u: sum(on_steps[u].values()) for u in stretch}
        for usage_date in calls_again:
            for step, calls in on_steps[usage_date].items():
                self._count(day, usage_date, step, -calls, "rerating", day)
                self._height[group] -= calls
        self._put_again(day, calls_again)

    def _waiver_changes(self, day: date) -> Iterator[tuple[date, str, str, int, int]]:
        """By waiver, the calls that it gives up before others are taken back, and those that it
        takes back once the day's calls are charged."""
        latest: dict[object, WaiverTerms] = {}
        first: dict[object, date] = {}
        for waiver in self.waivers:
            if waiver.known_from <= day and isinstance(waiver.terms, WaiverTerms):
                latest[waiver.terms.key] = waiver.terms
                first.setdefault(waiver.terms.key, waiver.known_from)
        left: dict[date, int] = {}
        # The same without what is charged today.
        left_before: dict[date, int] = {}
        in_order = sorted(latest, key=lambda key: (first[key], latest[key].waiver_id))
        for key in in_order:
            waiver_terms = latest[key]
            usage_date = waiver_terms.usage_date
            left.setdefault(
                usage_date,
                sum(
                    charged - taken_back
                    for settled_on, (charged, taken_back) in self.charges.get(
                        usage_date, {}
                    ).items()
                    if settled_on <= day
                ),
            )
            charged_today, _ = self.charges.get(usage_date, {}).get(day, (0, 0))
            left_before.setdefault(usage_date, left[usage_date] - charged_today)
            wanted = waiver_terms.calls
            if wanted is None:
                of_request = self.requests.get(waiver_terms.request_id or "", {})
                by_day = of_request.get((self.owner_uin, self.component_code, usage_date), {})
                wanted = sum(calls for on, calls in by_day.items() if on <= day)
            waived = max(min(wanted, left[usage_date]), 0)
            left[usage_date] -= waived
            held = self._waived[waiver_terms.key]
            kept = max(min(held, waived, left_before[usage_date]), 0)
            left_before[usage_date] -= kept
            self._waived[waiver_terms.key] = waived
            waiver_id, reason = waiver_terms.waiver_id, waiver_terms.reason
            yield usage_date, waiver_id, reason, held - kept, waived - kept

    def _draw(self, day: date, usage_date: date, calls: int, line_type: str) -> int:
        """How many calls packages take."""
        if self._terms(usage_date, day).discount is None:
            return 0
        drawn = 0
        for package in sorted(
            self._packages(day), key=lambda package: (package.valid_to, package.package_id)
        ):
            if package.valid_from <= usage_date < package.valid_to:
                left = max(package.calls - self._spent[package.package_id], 0)
                part = min(calls - drawn, left)
                self._count_package(day, usage_date, package.package_id, part, line_type)
                self._spent[package.package_id] += part
                drawn += part
        return drawn

    def _packages(self, day: date) -> list[PackageTerms]:
        latest: dict[object, PackageTerms] = {}
        for package in self.packages:
            if package.known_from <= day and isinstance(package.terms, PackageTerms):
                latest[package.terms.key] = package.terms
        return list(latest.values())

    def _move(
        self,
        day: date,
        usage_date: date,
        calls: int,
        line_type: str,
        waiver_id: str | None = None,
        reason: str | None = None,
        height: int | None = None,
    ) -> None:
        """Put calls at the top of their period, or take the topmost ones away if `calls` is
        negative."""
        if not calls:
            return
        terms = self._terms(usage_date, day)
        if terms.period is None:
            self._count(day, usage_date, None, calls, line_type, day, waiver_id, reason)
            return
        group = terms.group(usage_date)
        if height is None:
            _, height = self._own_numbers(usage_date, day)
        for step, number in _difference(terms, height, height + calls):
            self._count(day, usage_date, step, number, line_type, day, waiver_id, reason)
        self._height[group] += calls

    def _descend(
        self,
        day: date,
        usage_date: date,
        calls: int,
        line_type: str,
        waiver_id: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Take calls back, from the steps as far as there are some, the rest from packages."""
        if not calls:
            return
        terms = self._terms(usage_date, day)
        # Calls on another ladder cannot be taken back at a price of this one.
        first, last = (
            (0, self._priced[usage_date][None])
            if terms.period is None
            else self._own_numbers(usage_date, day)
        )
        part = min(calls, max(last - first, 0))
        self._move(day, usage_date, -part, line_type, waiver_id, reason)
        calls -= part
        if not calls:
            return
        packages = {package.package_id: package for package in self._packages(day)}
        group = terms.group(usage_date)
        together = [u for u in self._drawn if self._terms(u, day).group(u) == group]
        # Those of the period, then any other.
        for usage_dates in (together, [*self._drawn]):
            drawn = self._drawn_of(usage_dates)
            for package_id in sorted(
                drawn, key=lambda name: (packages[name].valid_to, name), reverse=True
            ):
                # Other calls may have given back what was drawn for these.
                left = min(drawn[package_id], self._drawn_of(self._drawn)[package_id])
                part = min(calls, max(left, 0))
                self._count_package(
                    day, usage_date, package_id, -part, line_type, waiver_id, reason
                )
                if day < packages[package_id].valid_to:
                    self._spent[package_id] -= part
                calls -= part
        # Too few of both: what was taken back instead of them is on another ladder now.
        self._move(day, usage_date, -calls, line_type, waiver_id, reason)

    def _drawn_of(self, usage_dates: Iterable[date]) -> Counter[str]:
        """The calls drawn from each package, less those given back."""
        drawn: Counter[str] = Counter()
        for usage_date in usage_dates:
            # Not the sum of counters, which leaves out what is negative: a usage date can have
            # given back more than it drew.
            drawn.update(self._drawn[usage_date])
        return drawn

    def _count(
        self,
        day: date,
        usage_date: date,
        step: int | None,
        calls: int,
        line_type: str,
        known_on: date,
        waiver_id: str | None = None,
        reason: str | None = None,
    ) -> None:
        price = self._terms(usage_date, known_on).price_of(step)
        line = Counted(day, usage_date, line_type, price, step, None, waiver_id, reason)
        self._lines[line] += calls
        self._priced[usage_date][step] += calls

    def _count_package(
        self,
        day: date,
        usage_date: date,
        package_id: str,
        calls: int,
        line_type: str,
        waiver_id: str | None = None,
        reason: str | None = None,
    ) -> None:
        line = Counted(day, usage_date, line_type, _FREE, None, package_id, waiver_id, reason)
        self._lines[line] += calls
        self._drawn[usage_date][package_id] += calls


def _difference(terms: PriceTerms, before: int, after: int) -> list[tuple[int, int]]:
    """How many calls more, or fewer, each step has after than before."""
    steps_before, steps_after = _by_step(terms, before), _by_step(terms, after)
    return [(step, steps_after[step] - steps_before[step]) for step in terms.tiers]


def _by_step(terms: PriceTerms, calls: int) -> dict[int, int]:
    """How many of so many calls are on each step. Fewer than none are on the first."""
    by_step = {}
    for step, end in zip(terms.tiers, [*terms.tiers[1:], None], strict=True):
        upto = calls if end is None else min(calls, end)
        by_step[step] = max(upto - step, 0)
    if calls < 0:
        by_step[terms.tiers[0]] = calls
    return by_step
