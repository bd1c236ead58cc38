"""`callbill reconcile --bill FILE`: a bill held against what is settled, without loading it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import openpyxl
import pytest

from tests.support.commands import callbill
from tests.support.places import places, query
from tests.support.vendor_bills import CASES, bill, row

ROWS = [row for case in CASES.values() for row in case.rows]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bill") / "bill.csv"
    path.write_bytes(bill(ROWS))
    return path


def test_it_says_what_loading_the_bill_would_say(
    nights: Path, reconciled: Path, file: Path
) -> None:
    before = (nights / "warehouse.duckdb").stat().st_mtime_ns
    ended = callbill("reconcile", *places(nights), f"--bill={file}", "--format=json")
    assert ended.returncode == 1, ended.stderr
    said = {
        (one["owner_uin"], one["bill_month"], one["usage_date"], one["component_code"]): (
            one["category"], one["cost_difference"],
        )
        for one in json.loads(ended.stdout)["differences"]
    }  # fmt: skip
    loaded = {
        tuple(key): (category, f"{difference:f}")
        for *key, category, difference in query(
            reconciled,
            "select owner_uin, bill_month::varchar, usage_date::varchar, component_code, category,"
            " cost_difference from billing.reconciliation where category <> 'none'",
        )
    }
    assert said == loaded
    assert (nights / "warehouse.duckdb").stat().st_mtime_ns == before


def test_the_terminal_shows_the_same_tables(nights: Path, file: Path) -> None:
    ended = callbill("reconcile", *places(nights), f"--bill={file}", "--owner=volume")
    assert ended.returncode == 0, ended.stderr
    assert "volume" in ended.stdout


@pytest.fixture(scope="module")
def more_than_is_right(nights: Path, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Arguments for a bill of an account that is right, with more lines: of a day that is not
    settled, of what the vendor corrected, and one of another account that cannot be read."""
    path = tmp_path_factory.mktemp("bill") / "bill.csv"
    rows = [
        *CASES["equal"].rows,
        row("equal", "2026-09-20", 5),
        row("equal", "2026-09-01", 5, cost="-3.50000000", 交易类型="调账补偿"),
        row("somebody-else", "2026-09-01", 5, cost="five"),
    ]
    path.write_bytes(bill(rows))
    return [*places(nights), f"--bill={path}"]


@pytest.fixture(scope="module")
def of_equal(more_than_is_right: list[object]) -> subprocess.CompletedProcess[str]:
    return callbill("reconcile", *more_than_is_right, "--owner=equal")


def test_a_line_that_cannot_be_read_spoils_its_own_account_alone(
    more_than_is_right: list[object], of_equal: subprocess.CompletedProcess[str]
) -> None:
    assert of_equal.returncode == 0, of_equal.stderr
    ended = callbill("reconcile", *more_than_is_right)
    assert ended.returncode == 1
    assert "1 line(s) of the vendor's bills could not be read" in ended.stderr


def test_days_that_are_not_settled_yet_are_counted(
    of_equal: subprocess.CompletedProcess[str],
) -> None:
    assert of_equal.returncode == 0, of_equal.stderr
    said = "1 line(s) of the vendor's of 0.30000000 CNY are of 2026-09-20"
    assert said in of_equal.stdout


def test_what_the_vendor_corrected_itself_is_said_and_not_compared(
    of_equal: subprocess.CompletedProcess[str],
) -> None:
    assert of_equal.returncode == 0, of_equal.stderr
    said = "corrected 2026-09 of account equal by -3.50000000 CNY in 1 line(s)"
    assert said in of_equal.stdout
    assert "Nothing differs." in of_equal.stdout


def test_the_differences_as_a_table_of_values(nights: Path, file: Path, tmp_path: Path) -> None:
    ended = callbill("reconcile", *places(nights), f"--bill={file}", "--format=csv")
    rows = list(csv.DictReader(io.StringIO(ended.stdout)))
    assert {"volume", "price"} <= {one["category"] for one in rows}
    output = tmp_path / "differences.xlsx"
    ended = callbill(
        "reconcile", *places(nights), f"--bill={file}", "--format=xlsx", f"--output={output}"
    )
    assert ended.returncode == 1, ended.stderr
    sheet = openpyxl.load_workbook(output)["differences"]
    assert sheet.max_row == len(rows) + 1


def test_a_letter_names_lines_prices_and_calls(nights: Path, file: Path) -> None:
    ended = callbill(
        "reconcile", *places(nights), f"--bill={file}", "--owner=volume", "--format=letter"
    )
    [line_id] = query(
        nights,
        "select line_id from billing.bill_lines where owner_uin = 'volume'"
        " and usage_date in (select usage_date from billing.calls where owner_uin = 'volume')"
        " order by usage_date limit 1",
    )[0]
    assert "account volume" in ended.stdout
    assert "| your bill |" in ended.stdout
    assert "request ids: `" in ended.stdout
    assert line_id


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--format=csv",), "need --bill FILE"),
        (("--bill=nowhere.csv",), "cannot be read"),
    ],
)
def test_bad_usage(nights: Path, arguments: tuple[str, ...], says: str) -> None:
    ended = callbill("reconcile", *places(nights), *arguments)
    assert ended.returncode == 2
    assert says in ended.stderr


def test_calls_that_packages_paid_for_are_a_kind_of_their_own(nights: Path, tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    first, *others = CASES["equal"].rows
    taken = first | {"组件用量": str(float(first["组件用量"]) - 0.002), "抵扣用量": "0.002"}
    cost = f"{float(first['优惠后总价']) - 0.12:.8f}"
    rows = [row_of | {"抵扣用量": row_of.get("抵扣用量", "")} for row_of in (taken, *others)]
    rows[0]["优惠后总价"] = cost
    path.write_bytes(bill(rows))
    ended = callbill(
        "reconcile", *places(nights), f"--bill={path}", "--owner=equal", "--format=json"
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = json.loads(ended.stdout)
    assert [one["category"] for one in said["differences"]] == ["package"]
    assert sum(float(one["parts"]["package"]) for one in said["bills"]) == pytest.approx(-0.12)
