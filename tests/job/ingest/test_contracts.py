"""Contracts that are read, and lines of them that are rejected."""

from __future__ import annotations

import json

import pytest

from tests.support.ingested import (
    Landing,
    Release,
    numbered,
)
from tests.support.landing_files import (
    Fields,
    csv_file,
    gz,
    json_lines,
    parquet_file,
)

CONTRACT = {
    "owner_uin": "100000000084",
    "component_code": "wimgs_search_by_text",
    "effective_from": "2026-03-01",
    "effective_to": None,
    "discount": None,
    "contract_price": None,
}
HALF = CONTRACT | {"discount": "0.5"}

CONTRACT_LINES: list[tuple[Fields | str, str | None]] = [
    (CONTRACT | {"discount": 0.680405}, None),
    (CONTRACT | {"discount": 1, "effective_from": "2026-03-02"}, None),
    (CONTRACT | {"contract_price": "43.21098125", "effective_from": "2026-03-03"}, None),
    (CONTRACT | {"contract_price": 0, "effective_from": "2026-03-04"}, None),
    (HALF | {"effective_from": "2026-03-05", "effective_to": "2026-03-05"}, None),
    (HALF | {"effective_from": "2026-03-06", "effective_to": "2026-04-01"}, None),
    (HALF | {"discount": "0.500000000", "effective_from": "2026-03-07"}, None),
    ("[]", "not_an_object"),
    ("{", "invalid_json"),
    (HALF | {"owner_uin": None}, "missing_owner_uin"),
    (HALF | {"owner_uin": 1e11}, "invalid_owner_uin"),
    (HALF | {"component_code": ""}, "missing_component_code"),
    (HALF | {"component_code": ["x"]}, "invalid_component_code"),
    (HALF | {"effective_from": None}, "missing_effective_from"),
    (HALF | {"effective_from": "2026-02-30"}, "invalid_effective_from"),
    (HALF | {"effective_from": "2026-03-01T00:00:00+08:00"}, "invalid_effective_from"),
    (HALF | {"effective_to": "soon"}, "invalid_effective_to"),
    (HALF | {"effective_to": "2026-02-28"}, "effective_to_before_effective_from"),
    (CONTRACT, "missing_price"),
    (CONTRACT | {"discount": ""}, "missing_price"),
    (HALF | {"contract_price": "30"}, "both_discount_and_contract_price"),
    (CONTRACT | {"discount": 0}, "invalid_discount"),
    (CONTRACT | {"discount": "1.000001"}, "invalid_discount"),
    (CONTRACT | {"discount": "-0.5"}, "invalid_discount"),
    (CONTRACT | {"discount": "0.1234567"}, "invalid_discount"),
    (CONTRACT | {"discount": "50%"}, "invalid_discount"),
    (CONTRACT | {"contract_price": "-0.01"}, "invalid_contract_price"),
    (CONTRACT | {"contract_price": "1.123456789"}, "invalid_contract_price"),
    (CONTRACT | {"contract_price": "1e-30"}, "invalid_contract_price"),
    (CONTRACT | {"contract_price": "1.0000000000000001e-10"}, "invalid_contract_price"),
    (CONTRACT | {"contract_price": "1e-99999999999"}, "invalid_contract_price"),
    (CONTRACT | {"contract_price": True}, "invalid_contract_price"),
]
PRICES = [
    ("2026-03-01", None, "0.680405", None),
    ("2026-03-02", None, "1.000000", None),
    ("2026-03-03", None, None, "43.21098125"),
    ("2026-03-04", None, None, "0.00000000"),
    ("2026-03-05", "2026-03-05", "0.500000", None),
    ("2026-03-06", "2026-04-01", "0.500000", None),
    ("2026-03-07", None, "0.500000", None),
]


def put_contracts(landing: Landing) -> None:
    lines = [line for line, _ in CONTRACT_LINES]
    rows = [line for line in lines[:7] if isinstance(line, dict)]
    texts = [
        {name: None if value is None else str(value) for name, value in row.items()} for row in rows
    ]
    in_csv = [row | {"owner_uin": "100000000085"} for row in texts]
    in_parquet = [row | {"owner_uin": "100000000086"} for row in texts]
    landing.put("prices/json", "a.jsonl.gz", gz(json_lines(*lines)), feed="contracts")
    landing.put("prices/csv", "a.csv", csv_file(in_csv), feed="contracts")
    landing.put("prices/parquet", "a.parquet", parquet_file(in_parquet), feed="contracts")
    long_price = {"contract_price": "9999999999.12345678", "owner_uin": "100000000087"}
    landing.put(
        "prices/long",
        "a.jsonl",
        json_lines(
            CONTRACT | long_price,
            # The same as a number, of which readers of JSON hold 15 digits.
            json.dumps(CONTRACT | long_price | {"effective_from": "2026-03-02"}).replace(
                '"9999999999.12345678"', "9999999999.12345678"
            ),
        ),
        feed="contracts",
    )


def test_contract_lines_that_are_rejected(released: Release) -> None:
    expected = numbered([why for _, why in CONTRACT_LINES])
    assert released.rejects("prices/json/", "contracts") == expected
    assert released.counts("prices/json/", "contracts") == [(32, 7, 25)]


@pytest.mark.parametrize("owner", ["100000000084", "100000000085", "100000000086"])
def test_contracts_of_every_format(released: Release, owner: str) -> None:
    rows = released.warehouse.execute(
        """
        select
            effective_from::varchar, effective_to::varchar, discount::varchar,
            contract_price::varchar
        from raw.contracts where owner_uin = ? order by 1
        """,
        [owner],
    ).fetchall()
    assert rows == PRICES


def test_no_digit_of_a_price_is_lost(released: Release) -> None:
    rows = released.warehouse.execute(
        "select effective_from::varchar, contract_price::varchar from raw.contracts"
        " where owner_uin = ?",
        ["100000000087"],
    ).fetchall()
    assert rows == [("2026-03-01", "9999999999.12345678")]
    assert released.rejects("prices/long/", "contracts") == [(2, "invalid_contract_price")]
