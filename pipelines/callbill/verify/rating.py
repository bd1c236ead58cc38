"""Prices, bill lines, settlements and adjustments in whole numbers: money is counted in units of
10^-8 CNY, and every division is rounded here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from callbill.base.catalogue import Seeds
from callbill.verify.records import ContractRow

if TYPE_CHECKING:
    from callbill.verify.calls import Charges

CNY = 10**8  # what a yuan has of the smallest unit that is rated
FEN = 10**6  # and what the smallest that is deducted has of it
_WHOLE_DISCOUNT = 10**6


@dataclass(frozen=True)
class Contract:
    """A contract row with where it came from; rows of a file in its order."""

    row: ContractRow
    known_from: date
    source_file_id: str


@dataclass(frozen=True)
class Price:
    """What is in force for a usage date. Prices in 10^-8 CNY a price unit, the discount in 10^-6,
    None for an agreed price."""

    list_price: int
    discount: int | None
    contract_price: int


@dataclass(frozen=True)
class BillLine:
    """A line of the bill; costs in 10^-8 CNY, the used amount in 10^-8 price units."""

    settled_on: date
    bill_month: date
    usage_date: date
    owner_uin: str
    product_code: str
    component_code: str
    line_type: str
    calls: int
    used_amount: int
    price: Price
    list_cost: int
    real_cost: int


def divide(amount: int, by: int) -> int:
    """A quotient in whole numbers, rounded half away from zero; `by` is positive."""
    quotient = (2 * abs(amount) + by) // (2 * by)
    return quotient if amount >= 0 else -quotient


class PriceBook:
    """Seeds and contracts, asked for the price of a usage date as known on another date."""

    def __init__(self, seeds: Seeds, contracts: Iterable[Contract]) -> None:
        self.product_of = {code: product for code, product, _ in seeds["components"]}
        self.calls_per_unit = {code: int(calls) for code, _, calls in seeds["components"]}
        # Effective from, known from, price.
        self._list_prices: defaultdict[str, list[tuple[date, date, int]]] = defaultdict(list)
        for code, effective_from, known_from, price in seeds["list_prices"]:
            self._list_prices[code].append(
                (
                    date.fromisoformat(effective_from),
                    date.fromisoformat(known_from),
                    int(price.replace(".", "")),  # always with 8 decimals
                )
            )
        self._contracts: defaultdict[tuple[str, str], list[Contract]] = defaultdict(list)
        for contract in contracts:
            self._contracts[contract.row.owner_uin, contract.row.component_code].append(contract)

    def is_rated(self, component_code: str, usage_date: date, known_on: date) -> bool:
        return self._list_price(component_code, usage_date, known_on) is not None

    def _list_price(self, component_code: str, usage_date: date, known_on: date) -> int | None:
        known = [
            price
            for price in self._list_prices.get(component_code, ())
            if price[0] <= usage_date and price[1] <= known_on
        ]
        return max(known)[2] if known else None

    def price(self, owner_uin: str, component_code: str, usage_date: date, known_on: date) -> Price:
        """The contract that covers the usage date and begins last, otherwise the list price."""
        list_price = self._list_price(component_code, usage_date, known_on)
        if list_price is None:
            raise LookupError(f"{component_code} has no list price for {usage_date}")
        versions: defaultdict[date, list[Contract]] = defaultdict(list)
        for contract in self._contracts.get((owner_uin, component_code), ()):
            if contract.known_from <= known_on and contract.row.effective_from <= usage_date:
                versions[contract.row.effective_from].append(contract)
        for begins in sorted(versions, reverse=True):
            row = _version_that_counts(versions[begins], list_price)
            if usage_date < row.effective_to:
                return Price(list_price, row.discount, _price_under(row, list_price))
        return Price(list_price, _WHOLE_DISCOUNT, list_price)

    def news(self, owner_uin: str, component_code: str) -> list[date]:
        """The dates on which prices of an account can have become known otherwise."""
        contracts = self._contracts.get((owner_uin, component_code), ())
        prices = self._list_prices.get(component_code, ())
        return sorted({c.known_from for c in contracts} | {known for _, known, _ in prices})


def _price_under(row: ContractRow, list_price: int) -> int:
    if row.discount is None:
        return row.price or 0
    return divide(list_price * row.discount, _WHOLE_DISCOUNT)


def _version_that_counts(versions: Sequence[Contract], list_price: int) -> ContractRow:
    """The latest known; within a file the last line; between files of one date the lowest price,
    then the earliest end, then a discount before an agreed price."""
    newest = max(version.known_from for version in versions)
    last = {v.source_file_id: v.row for v in versions if v.known_from == newest}
    return min(
        last.values(),
        key=lambda row: (
            _price_under(row, list_price),
            row.effective_to,
            row.discount is None,
            row.discount,
        ),
    )


def bill_lines(charges: Charges, book: PriceBook, through: date) -> list[BillLine]:
    """The bill through a date, in no order."""
    lines: list[BillLine] = []
    for usage, settled in charges.items():
        owner_uin, component_code, usage_date = usage
        for day, (charged, reversed_) in settled.items():
            price = book.price(*usage, day)
            line_type = "usage" if day - usage_date == timedelta(1) else "late_usage"
            if charged:
                lines.append(_line(book, usage, day, line_type, charged, price))
            if reversed_:
                lines.append(_line(book, usage, day, "correction", -reversed_, price))
        for day in book.news(owner_uin, component_code):
            if day > through:
                continue
            calls = sum(
                charged - reversed_
                for before, (charged, reversed_) in settled.items()
                if before < day
            )
            if not calls:
                continue
            old, new = book.price(*usage, day - timedelta(1)), book.price(*usage, day)
            if (old.list_price, old.contract_price) != (new.list_price, new.contract_price):
                lines.append(_line(book, usage, day, "rerating", -calls, old))
                lines.append(_line(book, usage, day, "rerating", calls, new))
    return lines


def _line(
    book: PriceBook,
    usage: tuple[str, str, date],
    settled_on: date,
    line_type: str,
    calls: int,
    price: Price,
) -> BillLine:
    owner_uin, component_code, usage_date = usage
    unit = book.calls_per_unit[component_code]
    return BillLine(
        settled_on,
        bill_month(usage_date, settled_on),
        usage_date,
        owner_uin,
        book.product_of[component_code],
        component_code,
        line_type,
        calls,
        calls * CNY // unit,
        price,
        divide(calls * price.list_price, unit),
        divide(calls * price.contract_price, unit),
    )


def bill_month(usage_date: date, settled_on: date) -> date:
    """The usage month while that is open, otherwise the month of the settlement."""
    month = usage_date.replace(day=1)
    return month if settled_on <= next_month(month) else settled_on.replace(day=1)


def next_month(month: date) -> date:
    """The 1st of the month after."""
    return (month.replace(day=1) + timedelta(31)).replace(day=1)


@dataclass(frozen=True)
class Settlement:
    """What a settlement date deducts from an account, in 10^-8 CNY."""

    settled_on: date
    owner_uin: str
    product_code: str
    bill_month: date
    rated: int
    deducted: int


def settlements(lines: Iterable[BillLine], deduction_rounding: str) -> list[Settlement]:
    """The sums of lines, rounded to fen."""
    rated: defaultdict[tuple[date, str, str, date], int] = defaultdict(int)
    for line in lines:
        key = (line.settled_on, line.owner_uin, line.product_code, line.bill_month)
        rated[key] += line.real_cost
    return [
        Settlement(*key, amount, _whole_fen(amount, deduction_rounding))
        for key, amount in rated.items()
    ]


def _whole_fen(amount: int, deduction_rounding: str) -> int:
    if deduction_rounding == "half_up":
        return divide(amount, FEN) * FEN
    fen = abs(amount) // FEN * FEN
    return fen if amount >= 0 else -fen


def adjustments(settled: Iterable[Settlement]) -> dict[tuple[date, str], tuple[int, int]]:
    """Rated and deducted by bill month and account, in 10^-8 CNY."""
    sums: dict[tuple[date, str], tuple[int, int]] = {}
    for one in settled:
        rated, deducted = sums.get((one.bill_month, one.owner_uin), (0, 0))
        sums[one.bill_month, one.owner_uin] = (rated + one.rated, deducted + one.deducted)
    return sums
