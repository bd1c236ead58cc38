"""The price in force: which list price and which version of which contract."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from callbill.verify.contracts import ContractTerms
from callbill.verify.money import CNY
from callbill.verify.prices import Contract, Price, PriceBook

MARCH = date(2026, 3, 1)
USED = date(2026, 3, 10)
KNOWN = date(2026, 3, 11)
NEVER = date(9999, 12, 31)
LIST_PRICE = 60 * CNY


def book(*contracts: Contract, list_prices: list[list[str]] | None = None) -> PriceBook:
    return PriceBook(
        {
            "products": [["p"]],
            "components": [["c", "p", "1000"]],
            "component_actions": [],
            "list_prices": list_prices or [["c", "2026-01-01", "2026-01-01", "60.00000000"]],
        },
        contracts,
    )


def contract(
    *,
    discount: int | None = None,
    price: int | None = None,
    begins: date = MARCH,
    ends: date = NEVER,
    known: date = MARCH,
    file: str = "a",
) -> Contract:
    """A contract of account 1. The discount is in percent, the price in CNY."""
    terms = ContractTerms(
        "1",
        "c",
        begins,
        ends,
        None if discount is None else discount * 10**4,
        None if price is None else price * CNY,
    )
    return Contract(terms, known, file)


def price(priced_by: PriceBook, **changed: Any) -> Price:
    asked = {"owner_uin": "1", "component_code": "c", "usage_date": USED, "known_on": KNOWN}
    return priced_by.price(**(asked | changed))


def test_without_a_contract_the_list_price_counts() -> None:
    assert price(book()) == Price(LIST_PRICE, 10**6, LIST_PRICE)
    assert price(book(contract(discount=50)), owner_uin="2").contract_price == LIST_PRICE


def test_a_discount_is_rounded_to_8_decimals() -> None:
    terms = ContractTerms("1", "c", MARCH, NEVER, 333_333, None)
    prices = [["c", "2026-01-01", "2026-01-01", "0.00000005"]]
    # 5 units x 0.333333 are 1.666665 units.
    priced = price(book(Contract(terms, MARCH, "a"), list_prices=prices))
    assert (priced.discount, priced.contract_price) == (333_333, 2)


def test_an_agreed_price_has_no_discount() -> None:
    assert price(book(contract(price=40))) == Price(LIST_PRICE, None, 40 * CNY)


def test_of_contracts_that_cover_the_date_the_one_that_began_last_counts() -> None:
    early, late = contract(discount=50), contract(discount=90, begins=date(2026, 3, 5))
    assert price(book(early, late)).discount == 900_000
    assert price(book(early, late), usage_date=date(2026, 3, 4)).discount == 500_000


def test_a_contract_ends_before_its_end() -> None:
    ended = contract(discount=50, ends=USED)
    assert price(book(ended)).discount == 10**6
    assert price(book(ended), usage_date=date(2026, 3, 9)).discount == 500_000


def test_a_contract_that_ends_where_it_begins_uncovers_the_one_before() -> None:
    begins = date(2026, 3, 5)
    withdrawn = contract(discount=10, begins=begins, ends=begins)
    assert price(book(contract(discount=50), withdrawn)).discount == 500_000


def test_a_version_counts_from_the_date_that_knows_it() -> None:
    first, second = contract(discount=50), contract(discount=70, known=KNOWN, file="b")
    assert price(book(first, second), known_on=date(2026, 3, 10)).discount == 500_000
    assert price(book(first, second)).discount == 700_000


def test_within_a_file_the_last_line_counts() -> None:
    assert price(book(contract(discount=50), contract(discount=70))).discount == 700_000


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (contract(discount=50), contract(discount=70)),
        (contract(price=20), contract(discount=50)),
        (contract(discount=50), contract(price=30)),
    ],
    ids=["lower discount", "lower price", "discount before agreed price"],
)
def test_between_files_of_one_date(better: Contract, worse: Contract) -> None:
    files = (
        Contract(better.terms, better.known_from, "a"),
        Contract(worse.terms, worse.known_from, "b"),
    )
    expected = price(book(better))
    assert price(book(*files)) == expected
    assert price(book(*reversed(files))) == expected


def test_between_files_of_one_date_and_price_the_earlier_end_counts() -> None:
    ended = contract(discount=50, ends=USED, file="a")
    endless = contract(discount=50, file="b")
    assert price(book(ended, endless)).discount == 10**6
    assert price(book(endless, ended)).discount == 10**6
    assert price(book(endless, ended), usage_date=date(2026, 3, 9)).discount == 500_000


def test_a_list_price_has_its_own_knowledge() -> None:
    prices = [
        ["c", "2026-01-01", "2026-01-01", "60.00000000"],
        ["c", "2026-03-05", "2026-03-11", "50.00000000"],
        ["c", "2026-01-01", "2026-03-12", "40.00000000"],
    ]
    priced_by = book(list_prices=prices)
    assert price(priced_by, known_on=date(2026, 3, 10)).list_price == 60 * CNY
    assert price(priced_by).list_price == 50 * CNY
    # The one that began last counts, whatever was known last.
    assert price(priced_by, known_on=date(2026, 3, 12)).list_price == 50 * CNY
    assert price(priced_by, usage_date=MARCH, known_on=date(2026, 3, 12)).list_price == 40 * CNY


def test_usage_before_the_first_list_price_is_not_rated() -> None:
    before = date(2025, 12, 31)
    assert not book().is_rated("c", before, KNOWN)
    assert book().is_rated("c", date(2026, 1, 1), KNOWN)
    with pytest.raises(LookupError):
        price(book(), usage_date=before)
