"""What the bill must be, computed plainly and slowly, straight from the rules.

For every settlement date S everything is worked out from scratch out of what is known on S: no
state is carried from one date to the next, so there is nothing that could go stale. It shares
neither code nor SQL with the product.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from functools import lru_cache
from typing import Any

from .inputs import Claim, Component, ListPrice, Seeds, Settings, World
from .quantities import QuantityAccount
from .reading import (
    ONE_DAY,
    AttributeRow,
    ContractRow,
    FileCount,
    PackageRow,
    Record,
    Reject,
    WaiverRow,
    read_world,
)

# Far more digits than any sum here needs, so that only the stated roundings round.
WORKING_DIGITS = 100
EIGHT_PLACES = Decimal("0.00000001")
TWO_PLACES = Decimal("0.01")
ZERO = Decimal(0)

UsageKey = tuple[date, str, str, str | None]


@dataclass(frozen=True)
class CallRow:
    request_id: str
    settled_on: date
    usage_date: date
    called_at: datetime
    owner_uin: str
    operate_uin: str
    component_code: str | None
    region: str | None
    error_code: str | None
    records: int
    disposition: str
    calls_billed: int
    # More than one where the record that speaks for the call lies, word for word, in several.
    source_file_ids: frozenset[str]


@dataclass(frozen=True)
class DailyUsage:
    usage_date: date
    owner_uin: str
    operate_uin: str
    component_code: str | None
    calls_received: int
    calls_billed: int
    calls_failed: int
    calls_unbilled: int


@dataclass(frozen=True)
class BillLine:
    settled_on: date
    bill_month: date
    usage_date: date
    owner_uin: str
    product_code: str
    component_code: str
    line_type: str
    calls: int
    used_amount: Decimal
    list_price: Decimal
    discount: Decimal | None
    contract_price: Decimal
    list_cost: Decimal
    real_cost: Decimal
    tier_from: int | None = None
    package_id: str | None = None
    waiver_id: str | None = None
    waiver_reason: str | None = None


@dataclass(frozen=True)
class Settlement:
    settled_on: date
    owner_uin: str
    product_code: str
    bill_month: date
    rated_amount: Decimal
    deducted_amount: Decimal
    residual_amount: Decimal


@dataclass(frozen=True)
class PrecisionAdjustment:
    bill_month: date
    owner_uin: str
    rated_amount: Decimal
    deducted_amount: Decimal
    adjustment_amount: Decimal
    is_final: bool


@dataclass(frozen=True)
class MonthlyBill:
    bill_month: date
    owner_uin: str
    product_code: str
    calls: int
    list_cost: Decimal
    discount_amount: Decimal
    rated_amount: Decimal
    adjustment_amount: Decimal
    deducted_amount: Decimal


@dataclass(frozen=True)
class Tables:
    calls: tuple[CallRow, ...]
    daily_usage: tuple[DailyUsage, ...]
    bill_lines: tuple[BillLine, ...]
    settlements: tuple[Settlement, ...]
    precision_adjustments: tuple[PrecisionAdjustment, ...]
    monthly_bills: tuple[MonthlyBill, ...]
    files: tuple[FileCount, ...]
    rejects: tuple[Reject, ...]
    sealed_through: date | None


def tables(world: World) -> Tables:
    """Every table as the last of the world's runs leaves it."""
    with localcontext() as context:
        context.prec = WORKING_DIGITS
        reading = read_world(world)
        sealed = reading.sealed_through
        if sealed is None:
            return Tables((), (), (), (), (), (), reading.files, reading.rejects, None)
        # Records that settle after the last through date wait.
        settled = [record for record in reading.records if record.settled_on <= sealed]
        book = PriceBook(reading.seeds, reading.contract_rows, reading.attribute_rows)
        calls = split_into_calls(settled, book, world.settings)
        rows = [row for call in calls for row in rows_of_call(call, sealed, book, world.settings)]
        lines = bill_lines(rows, book, sealed, reading.packages, reading.waivers)
        settlements = settle(lines, world.settings)
        return Tables(
            calls=tuple(sorted(rows, key=lambda row: (row.settled_on, row.request_id))),
            daily_usage=tuple(daily_usage(calls, sealed, book, world.settings)),
            bill_lines=tuple(lines),
            settlements=tuple(settlements),
            precision_adjustments=tuple(precision_adjustments(settlements, sealed)),
            monthly_bills=tuple(monthly_bills(lines, settlements)),
            files=reading.files,
            rejects=reading.rejects,
            sealed_through=sealed,
        )


# Prices


@dataclass(frozen=True)
class Price:
    list_price: Decimal
    discount: Decimal | None  # None: an agreed price
    contract_price: Decimal


@dataclass(frozen=True)
class Ladder:
    period: str
    tiers: tuple[int, ...]
    prices: tuple[Decimal, ...]


class PriceBook:
    """Seeds and contract rows, asked for the price of a usage date as known on another date."""

    def __init__(
        self,
        seeds: Seeds,
        contract_rows: Iterable[ContractRow],
        attribute_rows: Iterable[AttributeRow] = (),
    ) -> None:
        self.components: dict[str, Component] = {c.component_code: c for c in seeds.components}
        self.list_prices: tuple[ListPrice, ...] = seeds.list_prices
        self.claims: tuple[Claim, ...] = seeds.claims
        self.attribute_rows = tuple(attribute_rows)
        # The dates on which a claim, a list price or what an account is becomes known.
        self.dates_of_the_catalogue = sorted(
            {row.known_from for row in (*seeds.claims, *seeds.list_prices, *self.attribute_rows)}
        )
        self.contract_rows: dict[tuple[str, str], list[ContractRow]] = {}
        for row in contract_rows:
            self.contract_rows.setdefault((row.owner_uin, row.component_code), []).append(row)
        # Only to be quick: a price depends on nothing but its arguments.
        self.price = lru_cache(maxsize=None)(self._price)

    def component(self, record: Record, known_on: date) -> str | None:
        """The component that claims a record, or None."""
        claims = [
            row
            for row in self.claims
            if row.action == record.action
            and (row.effective_from or date.min) <= record.usage_date
            and row.known_from <= known_on
        ]
        # Of the claims of one set of attributes the last one is in force.
        in_force: dict[frozenset[tuple[str, str]], Claim] = {}
        for row in sorted(claims, key=lambda row: (row.effective_from or date.min, row.known_from)):
            in_force[row.attributes] = row
        values = self.attributes(record, known_on)
        fitting = [row for row in in_force.values() if row.attributes <= set(values.items())]
        if not fitting:
            return None
        return max(fitting, key=lambda row: len(row.attributes)).component_code

    def attributes(self, record: Record, known_on: date) -> dict[str, str]:
        """What a record says of itself, and for what it does not say what its account says."""
        values = {}
        for name in sorted({row.attribute for row in self.attribute_rows}):
            rows = [
                row
                for row in self.attribute_rows
                if row.owner_uin == record.owner_uin
                and row.attribute == name
                and row.effective_from <= record.usage_date
                and row.known_from <= known_on
            ]
            if not rows:
                continue
            begins = max(row.effective_from for row in rows)
            rows = [row for row in rows if row.effective_from == begins]
            newest = max((row.known_from, row.arrived_on) for row in rows)
            last_of_file = {
                row.file_id: row.value
                for row in sorted(rows, key=lambda row: row.line_number)
                if (row.known_from, row.arrived_on) == newest
            }
            values[name] = min(last_of_file.values())
        return values | dict(record.attributes)

    def is_rated(self, record: Record, known_on: date) -> bool:
        component_code = self.component(record, known_on)
        if component_code is None:
            return False
        return self.list_price(component_code, record.usage_date, known_on) is not None

    def list_prices_in_force(
        self, component_code: str, usage_date: date, known_on: date
    ) -> list[ListPrice]:
        """The list price in force: one row, or the steps of a ladder in order."""
        candidates = [
            row
            for row in self.list_prices
            if row.component_code == component_code
            and row.effective_from <= usage_date
            and row.known_from <= known_on
        ]
        if not candidates:
            return []
        last = max((row.effective_from, row.known_from) for row in candidates)
        rows = [row for row in candidates if (row.effective_from, row.known_from) == last]
        return sorted(rows, key=lambda row: row.tier_from or 0)

    def list_price(self, component_code: str, usage_date: date, known_on: date) -> Decimal | None:
        """Of a ladder the price of the first step that costs."""
        rows = self.list_prices_in_force(component_code, usage_date, known_on)
        if not rows:
            return None
        return next((row.list_price for row in rows if row.list_price), ZERO)

    def ladder(self, component_code: str, usage_date: date, known_on: date) -> Ladder | None:
        rows = self.list_prices_in_force(component_code, usage_date, known_on)
        if not rows or rows[0].tier_period is None:
            return None
        return Ladder(
            rows[0].tier_period,
            tuple(row.tier_from or 0 for row in rows),
            tuple(row.list_price for row in rows),
        )

    def step_price(
        self,
        owner_uin: str,
        component_code: str,
        usage_date: date,
        known_on: date,
        tier_from: int | None,
    ) -> Price | None:
        """The price of a step; without one, the price of calls that are on none."""
        price = self.price(owner_uin, component_code, usage_date, known_on)
        ladder = self.ladder(component_code, usage_date, known_on)
        if price is None or ladder is None or tier_from is None or price.discount is None:
            return price
        list_price = ladder.prices[ladder.tiers.index(tier_from)]
        return Price(list_price, price.discount, round8(list_price * price.discount))

    def free(self) -> Price:
        """What a call costs that a package covers."""
        return Price(ZERO, Decimal(1), ZERO)

    def _price(
        self, owner_uin: str, component_code: str, usage_date: date, known_on: date
    ) -> Price | None:
        """The price in force, or None before the first list price."""
        list_price = self.list_price(component_code, usage_date, known_on)
        if list_price is None:
            return None
        known = [
            row
            for row in self.contract_rows.get((owner_uin, component_code), [])
            if row.known_from <= known_on
        ]
        covering = [
            version
            for version in (
                version_that_counts([r for r in known if r.effective_from == begin], list_price)
                for begin in {row.effective_from for row in known}
            )
            if version.effective_from <= usage_date
            and (version.effective_to is None or usage_date < version.effective_to)
        ]
        if not covering:
            return Price(list_price, Decimal(1), list_price)
        contract = max(covering, key=lambda version: version.effective_from)
        return Price(list_price, contract.discount, price_under(contract, list_price))

    def dates_of_news(self, owner_uin: str, component_code: str) -> set[date]:
        """The dates on which a price of this owner's can have become known otherwise."""
        contracts = self.contract_rows.get((owner_uin, component_code), [])
        prices = [row for row in self.list_prices if row.component_code == component_code]
        return {row.known_from for row in contracts} | {row.known_from for row in prices}


def price_under(contract: ContractRow, list_price: Decimal) -> Decimal:
    if contract.agreed_price is not None:
        return contract.agreed_price
    assert contract.discount is not None
    return round8(list_price * contract.discount)


def version_that_counts(versions: Sequence[ContractRow], list_price: Decimal) -> ContractRow:
    """Of the known versions of one contract, the latest known; of one floor the later arrival."""
    newest = max((version.known_from, version.arrived_on) for version in versions)
    last_of_file: dict[str, ContractRow] = {}
    for version in sorted(versions, key=lambda version: version.line_number):
        if (version.known_from, version.arrived_on) == newest:
            last_of_file[version.file_id] = version
    return min(
        last_of_file.values(),
        key=lambda version: (
            price_under(version, list_price),
            version.effective_to or date.max,
            # What follows decides nothing but the discount that is shown.
            version.discount is None,
            version.discount or ZERO,
        ),
    )


# Calls


def split_into_calls(
    records: Iterable[Record], book: PriceBook, settings: Settings
) -> list[list[Record]]:
    """Records of one request id, cut where a settlement date lies too far from the call so far:
    from its last record, and from its charge."""
    horizon = timedelta(days=horizon_days(settings))
    calls: list[list[Record]] = []
    for record in sorted(records, key=lambda record: (record.request_id, record.settled_on)):
        call = calls[-1] if calls else None
        if call is not None and call[-1].request_id == record.request_id:
            linked_until = call[-1].settled_on
            charge = charge_of(call, record.settled_on, book, settings)
            if charge is not None:
                linked_until = max(linked_until, charge.day)
            if record.settled_on - linked_until <= horizon:
                call.append(record)
                continue
        calls.append([record])
    return calls


def horizon_days(settings: Settings) -> int:
    return max(settings.dedup_horizon_days, settings.max_usage_age_days)


@dataclass(frozen=True)
class Charge:
    day: date
    record: Record
    component_code: str


def charge_of(
    call: Sequence[Record], known_on: date, book: PriceBook, settings: Settings
) -> Charge | None:
    """The charge of a call, if one was made by a date.

    A call is charged for its earliest success that was not too old, on the first date on which the
    catalogue rates that, unless it is void or too old by then.
    """
    chargeable = [r for r in call if not r.is_failure and not is_too_old(r, settings)]
    if not chargeable:
        return None
    first = earliest(chargeable)
    days = [first.settled_on]
    days += [day for day in book.dates_of_the_catalogue if day > first.settled_on]
    day = next((d for d in days if book.is_rated(first, d)), None)
    if day is None or day > known_on:
        return None
    if (day - first.usage_date).days > settings.max_usage_age_days:
        return None
    by_then = [record for record in call if record.settled_on <= day]
    if void_date(by_then, None, book) is not None:
        return None
    if day > first.settled_on:
        # What its records say is looked at once more, with the catalogue of that date.
        looked_at = [r for r in by_then if (day - r.settled_on).days <= horizon_days(settings)]
        if len({book.component(r, day) for r in looked_at}) > 1:
            return None
    component_code = book.component(first, day)
    assert component_code is not None
    return Charge(day, first, component_code)


@dataclass(frozen=True)
class CallState:
    """A call as known on one date."""

    voided_on: date | None
    charged_on: date | None
    has_failure: bool
    is_unrated: bool
    speaker: Record  # the record whose attributes the call takes
    component_code: str | None
    source_file_ids: frozenset[str]


def state_on(
    call: Sequence[Record], known_on: date, book: PriceBook, settings: Settings
) -> CallState:
    known = [record for record in call if record.settled_on <= known_on]
    charge = charge_of(known, known_on, book, settings)
    speaker = earliest(known) if charge is None else charge.record
    component_code = book.component(speaker, known_on) if charge is None else charge.component_code
    return CallState(
        voided_on=void_date(known, charge, book),
        charged_on=None if charge is None else charge.day,
        has_failure=any(record.is_failure for record in known),
        is_unrated=not book.is_rated(speaker, known_on),
        speaker=speaker,
        component_code=component_code,
        source_file_ids=frozenset(r.file_id for r in known if order(r) == order(speaker)),
    )


def void_date(known: Sequence[Record], charge: Charge | None, book: PriceBook) -> date | None:
    for day in sorted({record.settled_on for record in known}):
        by_then = [record for record in known if record.settled_on <= day]
        if any(r.is_failure for r in by_then) or len({r.owner_uin for r in by_then}) > 1:
            return day
        # Who comes is held against the record that stands for the call, by the claims of that day.
        is_charged = charge is not None and charge.day < day
        standing = charge.record if charge is not None and is_charged else earliest(by_then)
        compared = [standing, *(record for record in known if record.settled_on == day)]
        # An action that nobody claims is a component of its own kind: it agrees with no other.
        if len({book.component(r, day) for r in compared}) > 1:
            return day
    return None


def is_too_old(record: Record, settings: Settings) -> bool:
    return (record.settled_on - record.usage_date).days > settings.max_usage_age_days


def earliest(records: Sequence[Record]) -> Record:
    return min(records, key=order)


def order(record: Record) -> tuple[Any, ...]:
    return (
        record.settled_on,
        record.called_at,
        record.operate_uin,
        record.action,
        # In the order of their text, such as edition=flagship. Without any comes first.
        ";".join(sorted(f"{name}={value}" for name, value in record.attributes)),
        nulls_first(record.region),
        nulls_first(record.error_code),
        nulls_first(None if record.http_status is None else str(record.http_status)),
        # The rules end above. Records that tie so far can still name two owners.
        record.owner_uin,
    )


def nulls_first(value: str | None) -> tuple[bool, str]:
    return (value is not None, value or "")


def days_of_call(
    call: Sequence[Record], sealed: date, book: PriceBook, settings: Settings
) -> list[date]:
    """The dates on which a call had records or was charged."""
    days = {record.settled_on for record in call}
    charge = charge_of(call, sealed, book, settings)
    return sorted(days if charge is None else days | {charge.day})


def rows_of_call(
    call: Sequence[Record], sealed: date, book: PriceBook, settings: Settings
) -> list[CallRow]:
    rows = []
    for day in days_of_call(call, sealed, book, settings):
        state = state_on(call, day, book, settings)
        disposition = disposition_on(state, day)
        rows.append(
            CallRow(
                request_id=state.speaker.request_id,
                settled_on=day,
                usage_date=state.speaker.usage_date,
                called_at=state.speaker.called_at,
                owner_uin=state.speaker.owner_uin,
                operate_uin=state.speaker.operate_uin,
                component_code=state.component_code,
                region=state.speaker.region,
                error_code=state.speaker.error_code,
                records=sum(record.settled_on == day for record in call),
                disposition=disposition,
                calls_billed={"billed": 1, "reversed": -1}.get(disposition, 0),
                source_file_ids=state.source_file_ids,
            )
        )
    return rows


def disposition_on(state: CallState, day: date) -> str:
    if state.charged_on is not None and state.voided_on == day:
        return "reversed"
    if state.voided_on is not None:
        return "failed" if state.has_failure else "conflict"
    if state.charged_on == day:
        return "billed"
    if state.charged_on is not None:
        return "duplicate"
    return "unrated" if state.is_unrated else "too_old"


def daily_usage(
    calls: Iterable[Sequence[Record]], sealed: date, book: PriceBook, settings: Settings
) -> list[DailyUsage]:
    """Each call once, as it stands now: in the bill, failed, or neither."""
    received: Counter[UsageKey] = Counter()
    billed: Counter[UsageKey] = Counter()
    failed: Counter[UsageKey] = Counter()
    for call in calls:
        last_day = days_of_call(call, sealed, book, settings)[-1]
        state = state_on(call, last_day, book, settings)
        speaker = state.speaker
        key = (speaker.usage_date, speaker.owner_uin, speaker.operate_uin, state.component_code)
        received[key] += 1
        billed[key] += state.charged_on is not None and state.voided_on is None
        failed[key] += state.voided_on is not None and state.has_failure
    return [
        DailyUsage(
            *key,
            calls_received=calls_received,
            calls_billed=billed[key],
            calls_failed=failed[key],
            calls_unbilled=calls_received - billed[key] - failed[key],
        )
        for key, calls_received in received.items()
    ]


# Bill


def bill_lines(
    rows: Sequence[CallRow],
    book: PriceBook,
    sealed: date,
    packages: Sequence[PackageRow] = (),
    waivers: Sequence[WaiverRow] = (),
) -> list[BillLine]:
    lines: list[BillLine] = []
    counted = {
        (row.owner_uin, row.component_code)
        for row in rows
        if row.component_code is not None
        and row.calls_billed
        and (
            any(
                price.tier_period
                for price in book.list_prices
                if price.component_code == row.component_code and price.known_from <= sealed
            )
            or any(
                (known.owner_uin, known.component_code) == (row.owner_uin, row.component_code)
                and known.known_from <= sealed
                for known in (*packages, *waivers)
            )
        )
    }
    for owner_uin, component_code in sorted(counted):
        assert component_code is not None
        own = [r for r in rows if (r.owner_uin, r.component_code) == (owner_uin, component_code)]
        account = QuantityAccount(owner_uin, component_code, book, own, packages, waivers)
        for key, calls in account.through(sealed).items():
            if calls:
                component = book.components[component_code]
                priced = line(
                    key.settled_on,
                    key.usage_date,
                    owner_uin,
                    component,
                    key.line_type,
                    calls,
                    key.price,
                )
                lines.append(
                    dataclasses.replace(
                        priced,
                        tier_from=key.tier_from,
                        package_id=key.package_id,
                        waiver_id=key.waiver_id,
                        waiver_reason=key.waiver_reason,
                    )
                )
    rows = [row for row in rows if (row.owner_uin, row.component_code) not in counted]
    first = min((row.settled_on for row in rows), default=sealed + ONE_DAY)
    for offset in range((sealed - first).days + 1):
        day = first + timedelta(days=offset)
        lines += rerating_lines(rows, book, day)
        lines += charge_and_reversal_lines(rows, book, day)
    return lines


def rerating_lines(rows: Iterable[CallRow], book: PriceBook, day: date) -> list[BillLine]:
    net_before: Counter[tuple[str, str, date]] = Counter()
    for row in rows:
        if row.settled_on < day and row.calls_billed:
            assert row.component_code is not None
            net_before[row.owner_uin, row.component_code, row.usage_date] += row.calls_billed
    lines = []
    for (owner_uin, component_code, usage_date), net in net_before.items():
        if net == 0 or day not in book.dates_of_news(owner_uin, component_code):
            continue
        old = book.price(owner_uin, component_code, usage_date, day - ONE_DAY)
        new = book.price(owner_uin, component_code, usage_date, day)
        assert old is not None and new is not None
        if (old.list_price, old.contract_price) == (new.list_price, new.contract_price):
            continue
        component = book.components[component_code]
        for calls, price in ((-net, old), (net, new)):
            lines.append(line(day, usage_date, owner_uin, component, "rerating", calls, price))
    return lines


def charge_and_reversal_lines(
    rows: Iterable[CallRow], book: PriceBook, day: date
) -> list[BillLine]:
    counts: Counter[tuple[str, str, date, str]] = Counter()
    for row in rows:
        if row.settled_on != day or row.calls_billed == 0:
            continue
        assert row.component_code is not None
        if row.calls_billed < 0:
            line_type = "correction"
        else:
            line_type = "usage" if day == row.usage_date + ONE_DAY else "late_usage"
        counts[row.owner_uin, row.component_code, row.usage_date, line_type] += row.calls_billed
    lines = []
    for (owner_uin, component_code, usage_date, line_type), calls in counts.items():
        price = book.price(owner_uin, component_code, usage_date, day)
        assert price is not None
        component = book.components[component_code]
        lines.append(line(day, usage_date, owner_uin, component, line_type, calls, price))
    return lines


def line(
    day: date,
    usage_date: date,
    owner_uin: str,
    component: Component,
    line_type: str,
    calls: int,
    price: Price,
) -> BillLine:
    units = Decimal(calls) / component.calls_per_price_unit
    return BillLine(
        settled_on=day,
        bill_month=bill_month(usage_date, day),
        usage_date=usage_date,
        owner_uin=owner_uin,
        product_code=component.product_code,
        component_code=component.component_code,
        line_type=line_type,
        calls=calls,
        used_amount=units,
        list_price=price.list_price,
        discount=price.discount,
        contract_price=price.contract_price,
        list_cost=round8(units * price.list_price),
        real_cost=round8(units * price.contract_price),
    )


def bill_month(usage_date: date, settled_on: date) -> date:
    if settled_on <= first_of_next_month(usage_date):
        return usage_date.replace(day=1)
    return settled_on.replace(day=1)


def first_of_next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def round8(amount: Decimal) -> Decimal:
    # ROUND_HALF_UP is away from zero at the half; adding zero turns -0 into 0.
    return amount.quantize(EIGHT_PLACES, rounding=ROUND_HALF_UP) + 0


def round2(amount: Decimal, settings: Settings) -> Decimal:
    rounding = {"half_up": ROUND_HALF_UP, "down": ROUND_DOWN}[settings.deduction_rounding]
    return amount.quantize(TWO_PLACES, rounding=rounding) + 0


def settle(lines: Iterable[BillLine], settings: Settings) -> list[Settlement]:
    rated: dict[tuple[date, str, str, date], Decimal] = {}
    for bill_line in lines:
        key = (
            bill_line.settled_on,
            bill_line.owner_uin,
            bill_line.product_code,
            bill_line.bill_month,
        )
        rated[key] = rated.get(key, ZERO) + bill_line.real_cost
    settlements = []
    for key, amount in rated.items():
        deducted = round2(amount, settings)
        settlements.append(Settlement(*key, amount, deducted, deducted - amount))
    return settlements


def precision_adjustments(
    settlements: Sequence[Settlement], sealed: date
) -> list[PrecisionAdjustment]:
    adjustments = []
    for month, owner_uin in sorted({(s.bill_month, s.owner_uin) for s in settlements}):
        own = [s for s in settlements if (s.bill_month, s.owner_uin) == (month, owner_uin)]
        rated = sum((s.rated_amount for s in own), ZERO)
        deducted = sum((s.deducted_amount for s in own), ZERO)
        is_final = sealed >= first_of_next_month(month)
        adjustments.append(
            PrecisionAdjustment(month, owner_uin, rated, deducted, deducted - rated, is_final)
        )
    return adjustments


def monthly_bills(
    lines: Sequence[BillLine], settlements: Sequence[Settlement]
) -> list[MonthlyBill]:
    bills = []
    keys = {(ln.bill_month, ln.owner_uin, ln.product_code) for ln in lines}
    for key in sorted(keys):
        own = [ln for ln in lines if (ln.bill_month, ln.owner_uin, ln.product_code) == key]
        paid = [s for s in settlements if (s.bill_month, s.owner_uin, s.product_code) == key]
        list_cost = sum((ln.list_cost for ln in own), ZERO)
        rated = sum((ln.real_cost for ln in own), ZERO)
        deducted = sum((s.deducted_amount for s in paid), ZERO)
        bills.append(
            MonthlyBill(
                *key,
                calls=sum(ln.calls for ln in own),
                list_cost=list_cost,
                discount_amount=list_cost - rated,
                rated_amount=rated,
                adjustment_amount=deducted - rated,
                deducted_amount=deducted,
            )
        )
    return bills
