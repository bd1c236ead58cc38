"""Prices that depend on how much, call by call.

Each call that is charged climbs one place in its period, and the place says its step. Each that is
taken back frees the topmost place. No two calls are done together, so this is slow and plain.

Where a period has calls that cost by several ladders, their places are in order of usage date. What
becomes known later then goes between them, and those above are charged again where they come to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeVar

from .reading import ONE_DAY, PackageRow, WaiverRow

if TYPE_CHECKING:
    from .model import CallRow, Price, PriceBook

Row = TypeVar("Row", PackageRow, WaiverRow)
# Where a call stands: nowhere in particular, on a step, or in a package.
Place = tuple[str, str | int] | None


@dataclass(frozen=True)
class LineKey:
    settled_on: date
    usage_date: date
    line_type: str
    price: Price
    tier_from: int | None
    package_id: str | None
    waiver_id: str | None
    waiver_reason: str | None


class QuantityAccount:
    """The calls of one owner and component."""

    def __init__(
        self,
        owner_uin: str,
        component_code: str,
        book: PriceBook,
        rows: Sequence[CallRow],
        packages: Iterable[PackageRow],
        waivers: Iterable[WaiverRow],
    ) -> None:
        self.owner_uin = owner_uin
        self.component_code = component_code
        self.book = book
        self.rows = [r for r in rows if r.calls_billed]
        self.packages = [p for p in packages if self._is_mine(p)]
        self.waivers = [w for w in waivers if self._is_mine(w)]
        self.lines: Counter[LineKey] = Counter()
        # How many calls stand at each usage date and place.
        self.standing: Counter[tuple[date, Place]] = Counter()
        self.heights: Counter[tuple[str, date]] = Counter()
        self.spent: Counter[str] = Counter()
        self.waived: Counter[tuple[str, date]] = Counter()
        # Periods in which a call was moved below those of another ladder.
        self.disordered: set[tuple[str, date]] = set()

    def _is_mine(self, row: PackageRow | WaiverRow) -> bool:
        return (row.owner_uin, row.component_code) == (self.owner_uin, self.component_code)

    def through(self, sealed: date) -> Counter[LineKey]:
        begin = min((row.settled_on for row in self.rows), default=sealed + ONE_DAY)
        for offset in range((sealed - begin).days + 1):
            self.settle(begin + timedelta(days=offset))
        return self.lines

    def settle(self, day: date) -> None:
        if day in self.book.dates_of_news(self.owner_uin, self.component_code):
            self.rerate(day)
        changes = self.waiver_changes(day)
        for waiver, less, _more in changes:
            for _ in range(less):
                self.climb(day, waiver.usage_date, "correction", waiver)
        today = sorted(
            (row for row in self.rows if row.settled_on == day), key=lambda row: row.usage_date
        )
        for row in today:
            if row.calls_billed < 0:
                self.free_topmost(day, row.usage_date, "correction", None)
        for row in today:
            if row.calls_billed > 0:
                line_type = "usage" if day == row.usage_date + ONE_DAY else "late_usage"
                if not self.draw(day, row.usage_date, line_type):
                    self.climb(day, row.usage_date, line_type, None)
        for waiver, _less, more in changes:
            for _ in range(more):
                self.free_topmost(day, waiver.usage_date, "correction", waiver)
        for group in sorted(self.disordered):
            self.put_in_order(day, group)
        self.disordered.clear()

    # Steps

    def period(self, usage_date: date, known_on: date) -> str | None:
        ladder = self.book.ladder(self.component_code, usage_date, known_on)
        if ladder is None or self.price(usage_date, known_on, None).discount is None:
            return None
        return ladder.period

    def group(self, usage_date: date, period: str | None) -> tuple[str, date]:
        start = {"month": usage_date.replace(day=1), "ever": date.min}
        return period or "none", start.get(period or "", usage_date)

    def price(self, usage_date: date, known_on: date, tier_from: int | None) -> Price:
        price = self.book.step_price(
            self.owner_uin, self.component_code, usage_date, known_on, tier_from
        )
        assert price is not None
        return price

    def step(self, usage_date: date, known_on: date, place: int) -> int:
        ladder = self.book.ladder(self.component_code, usage_date, known_on)
        assert ladder is not None
        return max(tier for tier in ladder.tiers if tier <= max(place, 0))

    def climb(self, day: date, usage_date: date, line_type: str, waiver: WaiverRow | None) -> None:
        period = self.period(usage_date, day)
        if period is None:
            self.count(day, usage_date, None, 1, line_type, day, waiver)
            return
        group = self.group(usage_date, period)
        below, _ = self.places(day, usage_date)
        self.heights[group] += 1
        place = (period, self.step(usage_date, day, below))
        self.count(day, usage_date, place, 1, line_type, day, waiver)

    def on_steps(self, group: tuple[str, date]) -> dict[date, Counter[int]]:
        """The calls of a period by usage date and step."""
        found: dict[date, Counter[int]] = {}
        for (usage_date, place), calls in self.standing.items():
            if not calls or place is None or place[0] != group[0]:
                continue
            if self.group(usage_date, group[0]) == group:
                found.setdefault(usage_date, Counter())[int(place[1])] += calls
        return dict(sorted(found.items()))

    def places(self, day: date, usage_date: date) -> tuple[int, int]:
        """How many places are taken up to the last call on a usage date's own ladder, before usage
        on another one; and how many of them are its own ladder's."""
        group = self.group(usage_date, self.period(usage_date, day))
        below = own = 0
        for other, steps in self.on_steps(group).items():
            if self.costs(other, day) != self.costs(usage_date, day):
                if other > usage_date:
                    self.disordered.add(group)
                    break
                own = 0
            else:
                own += steps.total()
            below += steps.total()
        return below, own

    def put_in_order(self, day: date, group: tuple[str, date]) -> None:
        """Charge again what is not on the step of its place."""
        on_steps = self.on_steps(group)
        ladders = self.by_ladder(day, on_steps)
        below = 0
        while ladders:
            stand: Counter[int] = Counter()
            for usage_date in ladders[0]:
                stand.update(on_steps[usage_date])
            fits: Counter[int] = Counter()
            for n in range(abs(stand.total())):
                if stand.total() > 0:
                    fits[self.step(ladders[0][0], day, below + n)] += 1
                else:
                    fits[self.step(ladders[0][0], day, below - n - 1)] -= 1
            if any(stand[step] != fits[step] for step in {*stand, *fits}):
                break
            below += stand.total()
            del ladders[0]
        again = {other: on_steps[other].total() for ladder in ladders for other in ladder}
        for usage_date in again:
            for step, calls in on_steps[usage_date].items():
                self.count(day, usage_date, (group[0], step), -calls, "rerating", day, None)
                self.heights[group] -= calls
        self.charge_again(day, again)

    def charge_again(self, day: date, again: dict[date, int]) -> None:
        for ladder in self.by_ladder(day, again):
            for usage_date in ladder:
                for _ in range(again[usage_date]):
                    self.climb(day, usage_date, "rerating", None)
            for usage_date in ladder:
                for _ in range(-again[usage_date]):
                    group = self.group(usage_date, self.period(usage_date, day))
                    self.lower(day, usage_date, "rerating", None, self.heights[group])

    def by_ladder(self, day: date, usage_dates: Iterable[date]) -> list[list[date]]:
        """Usage dates in order, together as long as the ladder is the same."""
        ladders: list[list[date]] = []
        for usage_date in sorted(usage_dates):
            if ladders and self.costs(ladders[-1][-1], day) == self.costs(usage_date, day):
                ladders[-1].append(usage_date)
            else:
                ladders.append([usage_date])
        return ladders

    def free_topmost(
        self, day: date, usage_date: date, line_type: str, waiver: WaiverRow | None
    ) -> None:
        period = self.period(usage_date, day)
        below = own = self.standing[usage_date, None]
        if period is not None:
            below, own = self.places(day, usage_date)
        if own > 0 or not self.give_back(day, usage_date, line_type, waiver):
            self.lower(day, usage_date, line_type, waiver, below)

    def lower(
        self, day: date, usage_date: date, line_type: str, waiver: WaiverRow | None, below: int
    ) -> None:
        """Free the last of so many places."""
        period = self.period(usage_date, day)
        if period is None:
            self.count(day, usage_date, None, -1, line_type, day, waiver)
            return
        self.heights[self.group(usage_date, period)] -= 1
        place = (period, self.step(usage_date, day, below - 1))
        self.count(day, usage_date, place, -1, line_type, day, waiver)

    def rerate(self, day: date) -> None:
        before = day - ONE_DAY
        dates = sorted(
            {
                usage_date
                for (usage_date, place), calls in self.standing.items()
                if calls and not (place and place[0] == "package")
            }
        )
        groups = {
            usage_date: {
                self.group(usage_date, self.period(usage_date, before)),
                self.group(usage_date, self.period(usage_date, day)),
            }
            for usage_date in dates
        }
        touched = {d for d in dates if self.costs(d, before) != self.costs(d, day)}
        while True:
            near = {d for d in dates if any(groups[d] & groups[other] for other in touched)}
            if near <= touched:
                break
            touched |= near
        again: Counter[date] = Counter()
        for usage_date in sorted(touched):
            for (other, place), calls in list(self.standing.items()):
                if other == usage_date and calls and not (place and place[0] == "package"):
                    again[usage_date] += calls
                    self.count(day, usage_date, place, -calls, "rerating", before, None)
                    if place:
                        self.heights[self.group(usage_date, place[0])] -= calls
        self.charge_again(day, again)

    def costs(self, usage_date: date, known_on: date) -> tuple[object, ...]:
        period = self.period(usage_date, known_on)
        ladder = self.book.ladder(self.component_code, usage_date, known_on)
        tiers = ladder.tiers if ladder is not None and period is not None else (None,)
        prices = [self.price(usage_date, known_on, tier) for tier in tiers]
        return period, tiers, [(price.list_price, price.contract_price) for price in prices]

    # Packages

    def known_packages(self, day: date) -> list[PackageRow]:
        return version_on(day, self.packages, lambda p: p.package_id)

    def draw(self, day: date, usage_date: date, line_type: str) -> bool:
        if self.price(usage_date, day, None).discount is None:
            return False
        for package in sorted(self.known_packages(day), key=lambda p: (p.valid_to, p.package_id)):
            is_valid = package.valid_from <= usage_date < package.valid_to
            if is_valid and self.spent[package.package_id] < package.calls:
                self.spent[package.package_id] += 1
                place = ("package", package.package_id)
                self.count(day, usage_date, place, 1, line_type, day, None)
                return True
        return False

    def give_back(
        self, day: date, usage_date: date, line_type: str, waiver: WaiverRow | None
    ) -> bool:
        group = self.group(usage_date, self.period(usage_date, day))
        # What calls of the same period were drawn from, and what calls of any were.
        near: Counter[str] = Counter()
        drawn: Counter[str] = Counter()
        for (other, place), calls in self.standing.items():
            if place and place[0] == "package":
                drawn[str(place[1])] += calls
                if self.group(other, self.period(other, day)) == group:
                    near[str(place[1])] += calls
        packages = {package.package_id: package for package in self.known_packages(day)}
        names = [name for name, calls in drawn.items() if calls > 0]
        names = [name for name in names if near[name] > 0] or names
        if not names:
            return False
        name = max(names, key=lambda name: (packages[name].valid_to, name))
        if day < packages[name].valid_to:
            self.spent[name] -= 1
        self.count(day, usage_date, ("package", name), -1, line_type, day, waiver)
        return True

    # Waivers

    def waiver_changes(self, day: date) -> list[tuple[WaiverRow, int, int]]:
        """How many calls each waiver gives up first, and how many it takes back at the end."""
        known = version_on(day, self.waivers, lambda w: (w.waiver_id, w.usage_date))
        first = {
            (w.waiver_id, w.usage_date): min(
                o.known_from
                for o in self.waivers
                if (o.waiver_id, o.usage_date) == (w.waiver_id, w.usage_date)
            )
            for w in known
        }
        room: dict[date, int] = {}
        stays: dict[date, int] = {}
        changes = []
        for waiver in sorted(known, key=lambda w: (first[w.waiver_id, w.usage_date], w.waiver_id)):
            mine = [
                row
                for row in self.rows
                if row.settled_on <= day and row.usage_date == waiver.usage_date
            ]
            if waiver.usage_date not in room:
                room[waiver.usage_date] = sum(row.calls_billed for row in mine)
                stays[waiver.usage_date] = sum(
                    row.calls_billed for row in mine if row.settled_on < day or row.calls_billed < 0
                )
            wanted = waiver.calls
            if wanted is None:
                wanted = sum(r.calls_billed for r in mine if r.request_id == waiver.request_id)
            calls = max(0, min(wanted, room[waiver.usage_date]))
            room[waiver.usage_date] -= calls
            key = (waiver.waiver_id, waiver.usage_date)
            kept = max(0, min(self.waived[key], calls, stays[waiver.usage_date]))
            stays[waiver.usage_date] -= kept
            changes.append((waiver, self.waived[key] - kept, calls - kept))
            self.waived[key] = calls
        return changes

    def count(
        self,
        day: date,
        usage_date: date,
        place: Place,
        calls: int,
        line_type: str,
        known_on: date,
        waiver: WaiverRow | None,
    ) -> None:
        self.standing[usage_date, place] += calls
        package_id = str(place[1]) if place and place[0] == "package" else None
        tier_from = int(place[1]) if place and place[0] != "package" else None
        price = self.book.free() if package_id else self.price(usage_date, known_on, tier_from)
        key = LineKey(
            day,
            usage_date,
            line_type,
            price,
            tier_from,
            package_id,
            waiver.waiver_id if waiver else None,
            waiver.waiver_reason if waiver else None,
        )
        self.lines[key] += calls


def version_on(day: date, rows: Iterable[Row], key: Callable[[Row], object]) -> list[Row]:
    """Of each key the version that is known last, of the latest arrival; of one file the last line,
    of several files the smallest."""
    by_key: dict[object, list[Row]] = {}
    for row in rows:
        if row.known_from <= day:
            by_key.setdefault(key(row), []).append(row)
    found = []
    for versions in by_key.values():
        newest = max((v.known_from, v.arrived_on) for v in versions)
        last_of_file: dict[str, Row] = {}
        for version in sorted(versions, key=lambda v: v.line_number):
            if (version.known_from, version.arrived_on) == newest:
                last_of_file[version.file_id] = version
        found.append(min(last_of_file.values(), key=lambda v: v.rank))
    return found
