"""The list price and the contract behind a bill line's price.

No rule of prices is stated here. List prices are asked of the model int_list_prices_known, and
contracts by the macros by which the model int_prices chooses them.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from callbill.queries.explain.books import Books
from callbill.queries.project_sql import expand_macros
from callbill.warehouse.warehouse import Record

_HERE = Path(__file__).parent
_LIST_PRICE = (_HERE / "list_price.sql").read_text(encoding="utf-8")
_CONTRACT = (_HERE / "contract.sql").read_text(encoding="utf-8")
_MACROS_OF_CONTRACT = ("money", "contract_in_force")


def price_of_line(books: Books, line: Record) -> Record:
    """What a line's calls cost: its price unit, its list price, and its contract, if it has one. Of
    a candidate only the unit is known: its line says the rest."""
    known_on = price_known_on(line)
    unit = _calls_per_price_unit(books, line["component_code"])
    if not books.has_records:
        return {
            "known_on": known_on,
            "list_price": None,
            "contract": None,
            "calls_per_price_unit": unit,
        }
    [list_price] = books.rows(_LIST_PRICE, [line["line_id"], known_on])
    contract_query = expand_macros(_CONTRACT, *_MACROS_OF_CONTRACT)
    contracts = books.rows(contract_query, [line["line_id"], known_on])
    return {
        "known_on": known_on,
        "list_price": list_price,
        "contract": contracts[0] if contracts else None,
        "calls_per_price_unit": unit,
    }


def price_known_on(line: Record) -> date:
    """The date whose knowledge of prices a line has.

    That is its settlement date. What re-rating takes back, it takes back at the price known until
    the day before.
    """
    settled_on: date = line["settled_on"]
    is_taken_back = line["line_type"] == "rerating" and line["calls"] < 0
    return settled_on - timedelta(days=1) if is_taken_back else settled_on


def _calls_per_price_unit(books: Books, component_code: str) -> int:
    [calls] = [
        calls for code, _, calls in books.manifest.seeds["components"] if code == component_code
    ]
    return int(calls)
