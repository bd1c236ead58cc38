"""Which rows of a contracts file are contracts."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from callbill.verify.contracts import ContractTerms, contract_terms

ROW: dict[str, Any] = {
    "owner_uin": "1",
    "component_code": "c",
    "effective_from": "2026-03-01",
    "effective_to": None,
    "discount": "0.85",
    "contract_price": None,
    "malformed": False,
}


def test_a_contract() -> None:
    never = date(9999, 12, 31)
    assert contract_terms(ROW) == ContractTerms("1", "c", date(2026, 3, 1), never, 850_000, None)
    agreed = contract_terms(ROW | {"discount": None, "contract_price": "43.21098125"})
    assert agreed is not None
    assert (agreed.discount, agreed.price) == (None, 4_321_098_125)


@pytest.mark.parametrize(
    ("discount", "millionths"),
    [("1", 10**6), (".5", 500_000), ("8.5e-1", 850_000), ("0.850000000", 850_000), ("+1.", 10**6)],
)
def test_forms_of_a_discount(discount: str, millionths: int) -> None:
    terms = contract_terms(ROW | {"discount": discount})
    assert terms is not None
    assert terms.discount == millionths


@pytest.mark.parametrize(
    "changed",
    [
        {"malformed": True},
        {"owner_uin": None},
        {"owner_uin": "1.0E+11"},
        {"component_code": None},
        {"effective_from": "2026-02-30"},
        {"effective_to": "2026-02-28"},
        {"discount": None},
        {"contract_price": "1"},
        {"discount": "0"},
        {"discount": "1.000001"},
        {"discount": "0.1234567"},
        {"discount": "85%"},
        {"discount": None, "contract_price": "-1"},
        {"discount": None, "contract_price": "10000000000"},
        {"discount": None, "contract_price": "0.000000001"},
    ],
    ids=str,
)
def test_rows_that_are_rejected(changed: dict[str, Any]) -> None:
    assert contract_terms(ROW | changed) is None
