"""The price in force: which list price and which version of which contract."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from callbill.base.catalogue import Claim
from callbill.verify.contracts import ContractTerms
from callbill.verify.money import CNY
from callbill.verify.prices import AccountAttribute, Contract, Price, PriceBook

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


# --- which component -----------------------------------------------------------------------------


def claiming(*said: AccountAttribute) -> PriceBook:
    seeds = {"products": [], "components": [], "component_actions": [], "list_prices": []}
    claims = [
        Claim("A", "any", date.min, date.min),
        Claim("A", "old flagship", date.min, date.min, ("edition=flagship",)),
        Claim("A", "flagship", MARCH, date.min, ("edition=flagship",)),
        Claim("A", "gold", date.min, date.min, ("edition=flagship", "plan=gold")),
    ]
    return PriceBook(seeds, (), claims, said)


def said_of_1(name: str, value: str, **changed: Any) -> AccountAttribute:
    usual = {
        "effective_from": MARCH, "known_from": MARCH, "arrived_on": MARCH, "source_file_id": "a",
        "line": 1,
    }  # fmt: skip
    return AccountAttribute("1", name, value, **(usual | changed))


def test_the_claim_that_asks_for_most_counts() -> None:
    claimed = claiming().component
    assert claimed("A", USED, KNOWN) == "any"
    assert claimed("A", USED, KNOWN, "edition=flagship") == "flagship"
    assert claimed("A", date(2026, 2, 1), KNOWN, "edition=flagship") == "old flagship"
    assert claimed("A", USED, KNOWN, "edition=flagship;plan=gold") == "gold"
    assert claimed("A", USED, KNOWN, "edition=trial;plan=gold") == "any"
    assert claimed("B", USED, KNOWN, "edition=flagship") is None


def test_the_record_counts_before_its_account() -> None:
    claimed = claiming(said_of_1("edition", "flagship"), said_of_1("plan", "gold")).component
    assert claimed("A", USED, KNOWN, "", "1") == "gold"
    assert claimed("A", USED, KNOWN, "plan=silver", "1") == "flagship"
    assert claimed("A", USED, KNOWN, "", "2") == "any"
    assert claimed("A", date(2026, 2, 1), KNOWN, "", "1") == "any"
    assert claimed("A", USED, date(2026, 2, 28), "", "1") == "any"


@pytest.mark.parametrize(
    "later",
    [
        {"effective_from": date(2026, 3, 2)},
        {"known_from": date(2026, 3, 2)},
        {"arrived_on": date(2026, 3, 2)},
        {"line": 2},
    ],
)
def test_the_later_word_on_an_account_counts(later: dict[str, Any]) -> None:
    for first, last in (("lite", "flagship"), ("flagship", "lite")):
        book = claiming(said_of_1("edition", first), said_of_1("edition", last, **later))
        found = book.component("A", USED, KNOWN, "", "1")
        assert found == ("flagship" if last == "flagship" else "any")
