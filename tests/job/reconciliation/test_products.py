"""Who resells, and has a product too, compares the vendor's bill with what the vendor sells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest

from tests.support.commands import callbill
from tests.support.landing_files import json_lines, record, write
from tests.support.vendor_bills import bill, row

OWNER, STRANGER = "200000001001", "300000000001"
DAYS = ("2026-09-01", "2026-09-02", "2026-09-03")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An account with two calls a day of each product; the vendor's bill has one call too many, and
    a precision adjustment, which here is of both products and there of one."""
    place = tmp_path_factory.mktemp("reseller") / "acme"
    assert callbill("init", place).returncode == 0
    for name, text in (
        ("products", "photofix,照片修复"),
        ("components", "photofix_restore,照片修复,photofix,100,百次,元/百次"),
        ("component_actions", "photo.restore,photofix_restore,,,"),
        ("list_prices", "photofix_restore,2026-01-01,2026-01-01,8.57"),
    ):
        with (place / f"catalogue/{name}.csv").open("a") as stream:
            stream.write(f"{text}\n")
    calls = [
        record(f"{action}-{day}-{n}", owner_uin=OWNER, called_at=f"{day}T10:00:00+08:00",
               action=action)
        for day in DAYS for action in ("SearchByText", "photo.restore") for n in range(2)
    ]  # fmt: skip
    write(place / "landing/call_logs/arrived_on=2026-09-02/calls.jsonl", json_lines(*calls[:4]))
    write(place / "landing/call_logs/arrived_on=2026-09-04/calls.jsonl", json_lines(*calls[4:]))
    write(place / "landing/vendor_bills/arrived_on=2026-09-05/bill.csv", bill(ROWS))
    ended = callbill("run", f"--place={place}", "--through=2026-09-05")
    assert ended.returncode == 0, ended.stderr
    return place


ROWS = [
    *(row(OWNER, day, 2 + (day == DAYS[1])) for day in DAYS),
    row(OWNER, "2026-09-01", 0, cost="0.00", 交易类型="billVirtualId"),
]
HINT = (
    "3 difference(s) are of products of which the vendor's bill has nothing (photofix):"
    " --product wimgs leaves them out"
)


@pytest.fixture(scope="module")
def file(place: Path) -> Path:
    path = place / "bill.csv"
    path.write_bytes(bill(ROWS))
    return path


def compared(place: Path, *arguments: object, code: int = 0) -> tuple[str, str]:
    ended = callbill("reconcile", f"--place={place}", *arguments)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout, ended.stderr


def categories(place: Path, file: Path, *arguments: str) -> list[str]:
    shown, _ = compared(place, f"--bill={file}", "--format=json", *arguments)
    return [one["category"] for one in json.loads(shown)["differences"]]


def test_a_product_of_ones_own_is_named_and_can_be_left_out(place: Path, file: Path) -> None:
    for arguments in ((), (f"--bill={file}",)):
        said, _ = compared(place, *arguments)
        assert said.count("missing_there") == 3
        assert f"{HINT}." in said
        said, _ = compared(place, *arguments, "--product=wimgs")
        assert "missing_there" not in said
        assert "photofix" not in said
        assert "billVirtualId" not in said
        assert said.count("volume") == 2  # the column and the difference


def test_no_other_form_of_the_answer_has_it(place: Path, file: Path, tmp_path: Path) -> None:
    assert categories(place, file, "--product=wimgs") == ["volume"]
    assert categories(place, file, "--product=wimgs", "--product=photofix") == [
        "missing_there", "missing_there", "volume", "missing_there",
    ]  # fmt: skip
    letter, hints = compared(place, f"--bill={file}", "--format=letter")
    assert "photofix" in letter
    assert HINT not in letter
    assert f"callbill: {HINT}\n" in hints
    letter, hints = compared(place, f"--bill={file}", "--format=letter", "--product=wimgs")
    assert "photofix" not in letter
    assert "in 1 place(s)" in letter
    assert HINT not in hints
    book = tmp_path / "differences.xlsx"
    compared(place, f"--bill={file}", "--format=xlsx", f"--output={book}", "--product=wimgs")
    assert openpyxl.load_workbook(book)["differences"].max_row == 2


def test_an_account_without_calls_is_named(place: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(bill([row(STRANGER, day, 2) for day in DAYS]))
    said, _ = compared(place, f"--bill={path}")
    assert said.rstrip().endswith(f"account {STRANGER} has no calls here.")


@pytest.mark.parametrize("arguments", [(), ("--bill={file}",)])
def test_a_product_that_there_is_not_is_refused(
    place: Path, file: Path, arguments: Sequence[str]
) -> None:
    given = [one.format(file=file) for one in arguments]
    _, said = compared(place, *given, "--product=wings", code=2)
    assert "--product wings: there is no such product; known are photofix, wimgs" in said
