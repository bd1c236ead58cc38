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

TABLES = """
    attach ':memory:' as release;
    create schema release.billing;
    create table release.billing.bill_lines (
        line_id varchar, owner_uin varchar, component_code varchar, usage_date date,
        settled_on date, line_type varchar, calls bigint, list_price decimal(18, 8)
    );
    create schema intermediate;
    create table intermediate.int_list_prices_known (
        component_code varchar, effective_from date, list_price decimal(18, 8), known_from date,
        known_to date
    );
    create schema raw;
    create table raw.contracts (
        source_file_id varchar, line_number bigint, owner_uin varchar, component_code varchar,
        effective_from date, effective_to date, discount decimal(9, 6),
        contract_price decimal(18, 8), settlement_floor date, arrived_on date
    );
    create schema ops;
    create table ops.source_files (
        source_file_id varchar, feed varchar, path varchar, arrived_on date
    );
    insert into ops.source_files values
        ('a', 'contracts', 'a.csv', '2026-01-01'), ('b', 'contracts', 'b.csv', '2026-01-01');
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
    *,
    discount: str | None = None,
    price: str | None = None,
    begins: str = "2026-01-01",
    ends: str | None = None,
    known_from: str = "2026-01-01",
    file: str = "a",
    line: int = 1,
) -> None:
    """A line of a contracts file, for account 1."""
    books.warehouse.execute(
        "insert into raw.contracts values (?, ?, '1', 'c', ?, ?, ?, ?, ?, null)",
        [file, line, begins, ends, discount, price, known_from],
    )


def add_line(books: Books) -> dict[str, Any]:
    """A line of account 1, settled the day after its usage, at a list price of 50."""
    books.warehouse.execute(
        "insert into release.billing.bill_lines"
        " values ('l', '1', 'c', '2026-03-10', '2026-03-11', 'usage', 5, 50)"
    )
    [line] = books.rows("from release.billing.bill_lines")
    return line


def contract_of_line(books: Books) -> tuple[str, int] | None:
    """The file and line of the contract behind a line."""
    contract = price_of_line(books, add_line(books))["contract"]
    return None if contract is None else (contract["path"], contract["line_number"])


def test_the_list_price_that_began_last_of_those_known(books: Books) -> None:
    assert price_of_line(books, add_line(books)) == {
        "known_on": SETTLED,
        "list_price": {
            "list_price": Decimal("50.00000000"),
            "tier_period": None,
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


def test_a_contract_is_shown_as_its_line_has_it(books: Books) -> None:
    add_contract(books, discount="0.85", ends="2026-04-01", line=7)
    assert price_of_line(books, add_line(books))["contract"] == {
        "effective_from": date(2026, 1, 1),
        "effective_to": date(2026, 4, 1),
        "discount": Decimal("0.850000"),
        "contract_price": None,
        "settlement_floor": date(2026, 1, 1),
        "path": "a.csv",
        "line_number": 7,
        "source_file_id": "a",
    }


def test_a_contract_without_an_end_shows_none(books: Books) -> None:
    add_contract(books, price="40")
    assert price_of_line(books, add_line(books))["contract"]["effective_to"] is None


def test_within_a_file_the_last_line_counts(books: Books) -> None:
    add_contract(books, discount="0.5", line=2)
    add_contract(books, discount="0.9", line=3)
    assert contract_of_line(books) == ("a.csv", 3)


def test_of_files_of_one_date_the_lower_price_counts(books: Books) -> None:
    add_contract(books, discount="0.85", file="a")
    add_contract(books, price="42.4", file="b")
    assert contract_of_line(books) == ("b.csv", 1)


def test_of_contracts_that_cover_the_usage_the_one_that_began_last_counts(books: Books) -> None:
    add_contract(books, discount="0.85", file="a")
    add_contract(books, discount="0.9", file="b", begins="2026-02-01")
    assert contract_of_line(books) == ("b.csv", 1)


def test_the_version_that_counts_may_have_ended(books: Books) -> None:
    """Then an earlier contract counts, though a dearer version of the later one would cover."""
    add_contract(books, discount="0.85", file="a")
    add_contract(books, discount="0.85", begins="2026-02-01", file="a", line=2)
    add_contract(books, discount="0.5", begins="2026-02-01", ends="2026-03-01", file="b")
    assert contract_of_line(books) == ("a.csv", 1)


@pytest.mark.parametrize(
    "changed",
    [{"ends": "2026-03-10"}, {"begins": "2026-03-11"}, {"known_from": "2026-03-12"}],
    ids=str,
)
def test_a_contract_that_does_not_cover_the_usage_or_is_not_known(
    books: Books, changed: dict[str, str]
) -> None:
    add_contract(books, discount="0.85", **changed)  # type: ignore[arg-type]
    assert contract_of_line(books) is None
