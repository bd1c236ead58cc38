"""Bill lines, settlements and precision adjustments, from calls charged and taken back.

A copy on purpose of the models int_reratings, bill_lines, settlements and precision_adjustments,
and of the macro bill_month. Amounts are in 10^-8 CNY.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from callbill.verify.calls import Charges, Requests, Usage
from callbill.verify.money import CNY, divide, round_to_fen
from callbill.verify.prices import Price, PriceBook
from callbill.verify.quantities import Account
from callbill.verify.quantity_feeds import Known, versions


@dataclass(frozen=True)
class BillLine:
    """A line of the bill. The used amount is in 10^-8 price units."""

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
    tier_from: int | None = None
    package_id: str | None = None
    waiver_id: str | None = None
    waiver_reason: str | None = None


@dataclass(frozen=True)
class Settlement:
    """What a settlement date deducts from an account for a product and a bill month."""

    settled_on: date
    owner_uin: str
    product_code: str
    bill_month: date
    rated: int
    deducted: int


@dataclass(frozen=True)
class MonthTotal:
    """What an account's settlements of a bill month come to."""

    bill_month: date
    owner_uin: str
    rated: int
    deducted: int


def bill_lines(
    charges: Charges,
    book: PriceBook,
    through: date,
    packages: Iterable[Known] = (),
    waivers: Iterable[Known] = (),
    requests: Requests | None = None,
) -> list[BillLine]:
    """The bill through a settlement date, in no order. `requests` has what became of waived request
    ids."""
    lines: list[BillLine] = []
    by_account = _accounts(charges, book, through, packages, waivers, requests or {})
    for account in by_account.values():
        for counted, calls in account.lines(through).items():
            usage = account.owner_uin, account.component_code, counted.usage_date
            line = _line(book, usage, counted.settled_on, counted.line_type, calls, counted.price)
            lines.append(
                replace(
                    line,
                    tier_from=counted.tier_from,
                    package_id=counted.package_id,
                    waiver_id=counted.waiver_id,
                    waiver_reason=counted.reason,
                )
            )
    for usage, counts_by_date in charges.items():
        owner_uin, component_code, usage_date = usage
        if (owner_uin, component_code) in by_account:
            continue
        for settled_on, (charged, taken_back) in counts_by_date.items():
            price = book.price(*usage, settled_on)
            line_type = "usage" if settled_on - usage_date == timedelta(1) else "late_usage"
            if charged:
                lines.append(_line(book, usage, settled_on, line_type, charged, price))
            if taken_back:
                lines.append(_line(book, usage, settled_on, "correction", -taken_back, price))
        lines += _reratings(book, usage, counts_by_date, through)
    return lines


def _accounts(
    charges: Charges,
    book: PriceBook,
    through: date,
    packages: Iterable[Known],
    waivers: Iterable[Known],
    requests: Requests,
) -> dict[tuple[str, str], Account]:
    """The accounts and components whose prices depend on how much."""
    known_packages, known_waivers = versions(packages), versions(waivers)
    with_terms = {
        (known.terms.owner_uin, known.terms.component_code)
        for known in (*known_packages, *known_waivers)
        if known.known_from <= through
    }
    charged: defaultdict[tuple[str, str], dict[date, dict[date, list[int]]]] = defaultdict(dict)
    for (owner_uin, component_code, usage_date), by_date in charges.items():
        account = owner_uin, component_code
        if account in with_terms or book.has_ladder(component_code, through):
            charged[account][usage_date] = by_date
    return {
        (owner_uin, component_code): Account(
            owner_uin,
            component_code,
            book,
            by_usage_date,
            _of_account(known_packages, owner_uin, component_code),
            _of_account(known_waivers, owner_uin, component_code),
            requests,
        )
        for (owner_uin, component_code), by_usage_date in charged.items()
    }


def _of_account(known: Iterable[Known], owner_uin: str, component_code: str) -> list[Known]:
    return [
        one
        for one in known
        if (one.terms.owner_uin, one.terms.component_code) == (owner_uin, component_code)
    ]


def _reratings(
    book: PriceBook, usage: Usage, counts_by_date: dict[date, list[int]], through: date
) -> list[BillLine]:
    """Lines that take back what stood charged at an old price, and charge it at the new one."""
    owner_uin, component_code, _ = usage
    lines: list[BillLine] = []
    for settled_on in book.dates_of_news(owner_uin, component_code):
        if settled_on > through:
            continue
        calls = sum(
            charged - taken_back
            for earlier, (charged, taken_back) in counts_by_date.items()
            if earlier < settled_on
        )
        if not calls:
            continue
        old = book.price(*usage, settled_on - timedelta(1))
        new = book.price(*usage, settled_on)
        if (old.list_price, old.contract_price) != (new.list_price, new.contract_price):
            lines.append(_line(book, usage, settled_on, "rerating", -calls, old))
            lines.append(_line(book, usage, settled_on, "rerating", calls, new))
    return lines


def _line(
    book: PriceBook, usage: Usage, settled_on: date, line_type: str, calls: int, price: Price
) -> BillLine:
    owner_uin, component_code, usage_date = usage
    calls_per_unit = book.calls_per_unit[component_code]
    return BillLine(
        settled_on=settled_on,
        bill_month=bill_month(usage_date, settled_on),
        usage_date=usage_date,
        owner_uin=owner_uin,
        product_code=book.product_of[component_code],
        component_code=component_code,
        line_type=line_type,
        calls=calls,
        used_amount=calls * CNY // calls_per_unit,
        price=price,
        list_cost=divide(calls * price.list_price, calls_per_unit),
        real_cost=divide(calls * price.contract_price, calls_per_unit),
    )


def bill_month(usage_date: date, settled_on: date) -> date:
    """The usage month while that is open, otherwise the month of the settlement."""
    month = usage_date.replace(day=1)
    return month if settled_on <= next_month(month) else settled_on.replace(day=1)


def next_month(month: date) -> date:
    """The 1st of the month after. Its settlement closes the month."""
    return (month.replace(day=1) + timedelta(31)).replace(day=1)


def settlements(lines: Iterable[BillLine], deduction_rounding: str) -> list[Settlement]:
    """The sums of lines, rounded to fen."""
    rated: defaultdict[tuple[date, str, str, date], int] = defaultdict(int)
    for line in lines:
        key = (line.settled_on, line.owner_uin, line.product_code, line.bill_month)
        rated[key] += line.real_cost
    return [
        Settlement(*key, rated=amount, deducted=round_to_fen(amount, deduction_rounding))
        for key, amount in rated.items()
    ]


def month_totals(settled: Iterable[Settlement]) -> list[MonthTotal]:
    """The sums of settlements by bill month and account. Deducted less rated is the precision
    adjustment."""
    rated: defaultdict[tuple[date, str], int] = defaultdict(int)
    deducted: defaultdict[tuple[date, str], int] = defaultdict(int)
    for settlement in settled:
        key = (settlement.bill_month, settlement.owner_uin)
        rated[key] += settlement.rated
        deducted[key] += settlement.deducted
    return [MonthTotal(*key, rated=rated[key], deducted=deducted[key]) for key in rated]
