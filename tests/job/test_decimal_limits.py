"""At the limits of the decimal types: exact to the last digit, or refused in so many words."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.support.landing_files import json_lines, parquet_file, record, write
from tests.support.project_copy import ProjectCopy

TEXT = "wimgs_search_by_text"
# A call of it costs as much as a price can be.
DEAREST = Decimal("9999999999.99999999")
DAY = "arrived_on=2026-03-02"

# Owner, contract terms if any, action, calls; then contract price, real cost and deduction.
CASES: dict[str, tuple[dict[str, object], str, int, tuple[str, str, str]]] = {
    "the dearest call": ({}, "Dearest", 1, (str(DEAREST), str(DEAREST), "10000000000.00")),
    "many of them": (
        *({}, "Dearest", 1000),
        (str(DEAREST), "9999999999999.99999000", "10000000000000.00"),
    ),
    "the finest discount": (
        # 9999999999.99999999 × 0.000001 = 9999.99999999999999999, in 8 decimals
        *({"component_code": "dearest", "discount": "0.000001"}, "Dearest", 1),
        ("10000.00000000", "10000.00000000", "10000.00"),
    ),
    "the highest agreed price": (
        # 3 × 9999999999.99999999 ÷ 1000 = 29999999.99999999997, in 8 decimals
        *({"component_code": TEXT, "contract_price": str(DEAREST)}, "SearchByText", 3),
        (str(DEAREST), "30000000.00000000", "30000000.00"),
    ),
    "the lowest agreed price": (
        # 0.00000001 × 499 ÷ 1000 = 0.00000000499
        *({"component_code": TEXT, "contract_price": "0.00000001"}, "SearchByText", 499),
        ("0.00000001", "0.00000000", "0.00"),
    ),
    "half of the last digit": (
        *({"component_code": TEXT, "contract_price": "0.00000001"}, "SearchByText", 500),
        ("0.00000001", "0.00000001", "0.00"),
    ),
    # What is too much to hold is no price: the list price stands.
    "a price of eleven digits": (
        *({"component_code": TEXT, "contract_price": "10000000000"}, "SearchByText", 1),
        ("60.00000000", "0.06000000", "0.06"),
    ),
    "a price of nine decimals": (
        *({"component_code": TEXT, "contract_price": "1.000000001"}, "SearchByText", 1),
        ("60.00000000", "0.06000000", "0.06"),
    ),
    "a discount of seven decimals": (
        *({"component_code": TEXT, "discount": "0.1234567"}, "SearchByText", 1),
        ("60.00000000", "0.06000000", "0.06"),
    ),
}
OWNERS = {name: str(100000000900 + number) for number, name in enumerate(CASES)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    """The project with one more component, the dearest that a seed can hold."""
    copy = ProjectCopy.in_folder(tmp_path_factory.mktemp("project") / "project")
    rows = {
        "components": "dearest,dearest,wimgs,1,call,CNY/call",
        "component_actions": "Dearest,dearest",
        "list_prices": f"dearest,2020-01-01,2020-01-01,{DEAREST}",
    }
    for name, row in rows.items():
        path = copy.folder / "seeds" / f"{name}.csv"
        path.write_text(f"{path.read_text().rstrip()}\n{row}\n")
    return copy


@pytest.fixture(scope="module")
def release(project: ProjectCopy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("limits")
    for name, (terms, action, calls, _expected) in CASES.items():
        owner = OWNERS[name]
        lines = [
            record(f"{owner}/{n}", called_at="2026-03-01T10:00:00Z", owner_uin=owner, action=action)
            for n in range(calls)
        ]
        write(place / "landing" / "call_logs" / DAY / f"{owner}.jsonl", json_lines(*lines))
        if terms:
            terms = {"owner_uin": owner, "effective_from": "2026-03-01", **terms}
            write(place / "landing" / "contracts" / DAY / f"{owner}.jsonl", json_lines(terms))
    ended = project.run_job(place, "--through", "2026-03-03")
    assert ended.returncode == 0, ended.stderr
    return place / "published" / "current" / "callbill.duckdb"


@pytest.mark.parametrize("name", CASES)
def test_to_the_last_digit(release: Path, name: str) -> None:
    *_, calls, expected = CASES[name]
    with duckdb.connect(str(release), read_only=True) as con:
        lines = con.execute(
            "select calls, contract_price::varchar, real_cost::varchar from billing.bill_lines"
            " where owner_uin = ?",
            [OWNERS[name]],
        ).fetchall()
        deducted = con.execute(
            "select deducted_amount::varchar from billing.settlements where owner_uin = ?",
            [OWNERS[name]],
        ).fetchall()
    assert lines == [(calls, *expected[:2])]
    assert deducted == [(expected[2],)]


def test_what_cannot_be_held_is_rejected_with_a_reason(release: Path) -> None:
    with duckdb.connect(str(release), read_only=True) as con:
        rows = con.execute(
            "select json_extract_string(fields, '$.owner_uin'), reason from ops.rejected_records"
        ).fetchall()
    assert dict(rows) == {
        OWNERS["a price of eleven digits"]: "invalid_contract_price",
        OWNERS["a price of nine decimals"]: "invalid_contract_price",
        OWNERS["a discount of seven decimals"]: "invalid_discount",
    }


def test_a_deduction_too_large_to_hold_stops_the_run(project: ProjectCopy, tmp_path: Path) -> None:
    # A million of the dearest calls and one are 10^16 and some: more than decimal(18, 2).
    calls = 1_000_001
    one = record("", called_at="2026-03-01T10:00:00Z", action="Dearest")
    log = write(tmp_path / "landing" / "call_logs" / DAY / "one.parquet", parquet_file([one]))
    duckdb.sql(
        f"copy (select * replace (n::varchar as request_id) from '{log}', range({calls}) as t(n))"
        f" to '{log.with_name('calls.parquet')}' (format parquet)"
    )
    log.unlink()
    ended = project.run_job(tmp_path, "--through", "2026-03-03")
    assert ended.returncode == 4
    assert "settlements was not built" in ended.stderr
    assert "out of range" in ended.stderr
    assert not (tmp_path / "published" / "current").exists()
    said = json.loads((tmp_path / "published" / "status" / "last_run.json").read_text())
    assert said["outcome"] == "failed"
