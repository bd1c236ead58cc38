"""Where a line's price came from: the list price and the contract version behind it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest
from callbill.queries.explain.books import Books
from callbill.queries.explain.price import price_known_on, price_of_line
from callbill.release.manifest import Manifest
from callbill.warehouse.layout import Layout
from callbill.warehouse.warehouse import Warehouse

SETTLED = date(2026, 3, 11)
NEVER = "9999-12-31"

TABLES = """
    attach ':memory:' as release;
    create schema release.billing;
    create table release.billing.bill_lines (
        line_id varchar, owner_uin varchar, component_code varchar, usage_date date,
        settled_on date, line_type varchar, calls bigint, discount decimal(18, 8),
        contract_price decimal(18, 8)
    );
    create schema intermediate;
    create table intermediate.int_list_prices_known (
        component_code varchar, effective_from date, list_price decimal(18, 8), known_from date,
        known_to date
    );
    create table intermediate.int_contracts_known (
        owner_uin varchar, component_code varchar, effective_from date, effective_to date,
        discount decimal(9, 6), contract_price decimal(18, 8), source_file_id varchar,
        known_from date, known_to date
    );
    create schema raw;
    create table raw.contracts (
        source_file_id varchar, line_number bigint, owner_uin varchar, component_code varchar,
        effective_from date, effective_to date, discount decimal(9, 6),
        contract_price decimal(18, 8), settlement_floor date
    );
    create schema ops;
    create table ops.source_files (source_file_id varchar, feed varchar, path varchar);
    insert into ops.source_files values ('a', 'contracts', 'a.csv'), ('b', 'contracts', 'b.csv');
    insert into intermediate.int_list_prices_known values
        ('c', '2026-01-01', 60, '2026-01-01', '9999-12-31'),
        ('c', '2026-03-10', 50, '2026-03-11', '9999-12-31');
"""


@pytest.fixture
def books() -> Iterator[Books]:
    con = duckdb.connect()
    con.execute(TABLES)
    manifest = SimpleNamespace(seeds={"components": [["c", "p", "1000"]]})
    yield Books(Warehouse(con, Layout(Path("none"))), cast(Manifest, manifest))
    con.close()


def add_contract(
    books: Books,
    discount: str | None,
    *,
    price: str | None = None,
    begins: str = "2026-01-01",
    ends: str | None = None,
    known_from: str = "2026-01-01",
    known_to: str = NEVER,
    file: str = "a",
    lines: tuple[int, ...] = (1,),
) -> None:
    """A version as the models have it, and the lines of its file. The last line is the version."""
    books.warehouse.execute(
        "insert into intermediate.int_contracts_known values ('1', 'c', ?, ?, ?, ?, ?, ?, ?)",
        [begins, ends or NEVER, discount, price, file, known_from, known_to],
    )
    for line in lines:
        books.warehouse.execute(
            "insert into raw.contracts values (?, ?, '1', 'c', ?, ?, ?, ?, ?)",
            [file, line, begins, ends, discount, price, known_from],
        )


def contract_of(books: Books, discount: str | None, price: str) -> dict[str, Any] | None:
    """The contract behind a line of account 1 with these terms."""
    line = add_line(books, discount, price)
    contract: dict[str, Any] | None = price_of_line(books, line)["contract"]
    return contract


def add_line(books: Books, discount: str | None, price: str) -> dict[str, Any]:
    books.warehouse.execute(
        "insert into release.billing.bill_lines"
        " values ('l', '1', 'c', '2026-03-10', '2026-03-11', 'usage', 5, ?, ?)",
        [discount, price],
    )
    [line] = books.rows("from release.billing.bill_lines")
    return line


def test_the_list_price_that_began_last_of_those_known(books: Books) -> None:
    price = price_of_line(books, add_line(books, "1", "50"))
    assert price == {
        "known_on": SETTLED,
        "list_price": {
            "list_price": Decimal("50.00000000"),
            "effective_from": date(2026, 3, 10),
            "known_from": SETTLED,
        },
        "contract": None,
        "calls_per_price_unit": 1000,
    }


def test_what_rerating_takes_back_has_the_price_known_before() -> None:
    line = {"settled_on": SETTLED, "line_type": "rerating", "calls": -3}
    assert price_known_on(line) == date(2026, 3, 10)
    assert price_known_on(line | {"calls": 3}) == SETTLED
    assert price_known_on(line | {"line_type": "correction"}) == SETTLED


def test_the_contract_is_named_by_its_file_and_its_last_line(books: Books) -> None:
    add_contract(books, "0.85", ends="2026-04-01", lines=(2, 7))
    contract = contract_of(books, "0.85", "42.5")
    assert contract is not None
    assert (contract["path"], contract["line_number"]) == ("a.csv", 7)
    assert contract["effective_to"] == date(2026, 4, 1)
    assert contract["discount"] == Decimal("0.85")


def test_contracts_are_told_apart_by_the_discount(books: Books) -> None:
    add_contract(books, "0.85", file="a")
    add_contract(books, "0.5", file="b", begins="2026-02-01")
    contract = contract_of(books, "0.85", "42.5")
    assert contract is not None
    assert contract["path"] == "a.csv"


def test_an_agreed_price_is_told_apart_by_the_price(books: Books) -> None:
    add_contract(books, None, price="40", file="a")
    add_contract(books, None, price="30", file="b", begins="2026-02-01")
    contract = contract_of(books, None, "40")
    assert contract is not None
    assert contract["path"] == "a.csv"


def test_of_two_with_the_same_terms_the_one_that_began_last(books: Books) -> None:
    add_contract(books, "0.85", file="a")
    add_contract(books, "0.85", file="b", begins="2026-02-01")
    contract = contract_of(books, "0.85", "42.5")
    assert contract is not None
    assert contract["path"] == "b.csv"


@pytest.mark.parametrize(
    "changed",
    [
        {"ends": "2026-03-10"},
        {"begins": "2026-03-11"},
        {"known_from": "2026-03-12"},
        {"known_to": "2026-03-11"},
    ],
    ids=str,
)
def test_a_contract_that_does_not_cover_the_usage_or_is_not_known(
    books: Books, changed: dict[str, str]
) -> None:
    add_contract(books, "1", **changed)  # type: ignore[arg-type]
    assert contract_of(books, "1", "50") is None
