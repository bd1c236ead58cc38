"""Lines, settlements and month totals, from calls charged and taken back."""

from __future__ import annotations

from datetime import date

from callbill.verify.bill import (
    BillLine,
    MonthTotal,
    Settlement,
    bill_lines,
    bill_month,
    month_totals,
    settlements,
)
from callbill.verify.calls import Charges
from callbill.verify.money import CNY, FEN

from tests.unit.verify.test_prices import book, contract

USED = date(2026, 3, 10)
DAY_AFTER = date(2026, 3, 11)
LATER = date(2026, 3, 20)


def lines_of(charges: Charges, *contracts: object, through: date = LATER) -> list[BillLine]:
    lines = bill_lines(charges, book(*contracts), through)  # type: ignore[arg-type]
    return sorted(lines, key=lambda line: (line.settled_on, line.line_type, line.calls))


def test_a_line_costs_calls_times_price_by_the_unit() -> None:
    [line] = lines_of({("1", "c", USED): {DAY_AFTER: [7, 0]}})
    assert (line.line_type, line.calls, line.used_amount) == ("usage", 7, 7 * CNY // 1000)
    assert line.list_cost == line.real_cost == 7 * 60 * CNY // 1000
    assert (line.bill_month, line.product_code) == (date(2026, 3, 1), "p")


def test_usage_that_becomes_known_later_is_late_usage() -> None:
    [line] = lines_of({("1", "c", USED): {date(2026, 3, 12): [1, 0]}})
    assert line.line_type == "late_usage"


def test_a_call_taken_back_is_a_correction() -> None:
    charges: Charges = {("1", "c", USED): {DAY_AFTER: [5, 0], LATER: [0, 2]}}
    assert [(line.line_type, line.calls) for line in lines_of(charges)] == [
        *(("usage", 5), ("correction", -2)),
    ]


def test_a_contract_known_later_rerates_what_stood_charged() -> None:
    charges: Charges = {("1", "c", USED): {DAY_AFTER: [5, 0], date(2026, 3, 12): [0, 1]}}
    discount = contract(discount=50, known=date(2026, 3, 15))
    rerated = [line for line in lines_of(charges, discount) if line.line_type == "rerating"]
    assert [(line.calls, line.price.contract_price) for line in rerated] == [
        *((-4, 60 * CNY), (4, 30 * CNY)),
    ]
    assert {line.settled_on for line in rerated} == {date(2026, 3, 15)}
    before = lines_of(charges, discount, through=date(2026, 3, 14))
    assert all(line.line_type != "rerating" for line in before)


def test_what_is_charged_on_the_date_of_the_news_has_the_new_price_already() -> None:
    charges: Charges = {("1", "c", USED): {DAY_AFTER: [5, 0], date(2026, 3, 15): [2, 0]}}
    lines = lines_of(charges, contract(discount=50, known=date(2026, 3, 15)))
    assert [(line.line_type, line.calls, line.price.contract_price) for line in lines] == [
        *(("usage", 5, 60 * CNY), ("late_usage", 2, 30 * CNY)),
        *(("rerating", -5, 60 * CNY), ("rerating", 5, 30 * CNY)),
    ]


def test_news_that_leaves_the_price_as_it_is_rerates_nothing() -> None:
    charges: Charges = {("1", "c", USED): {DAY_AFTER: [5, 0]}}
    same = contract(discount=100, known=date(2026, 3, 15))
    assert [line.line_type for line in lines_of(charges, same)] == ["usage"]


def test_the_settlement_of_the_1st_closes_a_month() -> None:
    assert bill_month(USED, date(2026, 4, 1)) == date(2026, 3, 1)
    assert bill_month(USED, date(2026, 4, 2)) == date(2026, 4, 1)
    assert bill_month(date(2026, 12, 31), date(2027, 1, 1)) == date(2026, 12, 1)


def test_a_settlement_rounds_the_sum_of_its_lines() -> None:
    # 0.003 CNY each: alone each would be deducted as 0.00.
    charges: Charges = {("1", "c", date(2026, 3, day)): {LATER: [1, 0]} for day in (1, 2, 3)}
    lines = lines_of(charges, contract(price=3))
    [settlement] = settlements(lines, "half_up")
    assert (settlement.rated, settlement.deducted) == (9 * CNY // 1000, FEN)
    assert settlements(lines, "down")[0].deducted == 0


def test_a_months_total_is_the_sum_of_its_settlements() -> None:
    march, april = date(2026, 3, 1), date(2026, 4, 1)
    settled = [
        Settlement(DAY_AFTER, "1", "p", march, 3, 5),
        Settlement(LATER, "1", "q", march, -1, 0),
        Settlement(LATER, "1", "p", april, 10, 10),
        Settlement(LATER, "2", "p", march, 7, 7),
    ]
    assert set(month_totals(settled)) == {
        MonthTotal(march, "1", 2, 5),
        MonthTotal(april, "1", 10, 10),
        MonthTotal(march, "2", 7, 7),
    }
