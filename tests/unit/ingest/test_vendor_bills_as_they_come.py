"""Lines of the vendor's bills as people and clouds deliver them. Each form of a file is read in
tests/job/test_every_kind_of_file.py."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from callbill.base.rules import READING_RULES
from callbill.base.settings import load_settings
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.readers.workbooks import sheet_as_csv
from callbill.ingest.shapes import shape_of
from callbill.queries.try_file import Trial, try_file

from tests.support.vendor_bill_forms import (
    adjustment,
    archive,
    chinese,
    english,
    item,
    table,
    workbook,
)

OWNER = "100000000911"
WRITTEN = (OWNER, "10.00000000", "1234.56000000")
CHINESE, ENGLISH = chinese(*WRITTEN), english(*WRITTEN)
LINE = {
    "owner_uin": OWNER,
    "usage_date": date(2026, 9, 1),
    "used_amount": Decimal("10"),
    "list_price": Decimal("60"),
    "real_cost": Decimal("1234.56"),
}


def read(folder: Path, name: str, content: bytes | str) -> list[Trial]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return try_file(load_settings(), path, feed="vendor_bills", shape=None, limit=20)


def lines(trials: list[Trial]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in zip(trial.columns, row, strict=True) if name in LINE}
        for trial in trials
        for row in trial.records
    ]


SPELLINGS = [
    {"开始使用时间": "2026/9/1 0:00", "结束使用时间": "2026/9/1 23:59"},
    {"扣费时间": "2026/9/2 8:10"},
    {"开始使用时间": "2026年9月1日"},
    {"开始使用时间": "２０２６／０９／０１ ００：００：００"},
    {"优惠后总价": "¥1,234.56"},
    {"优惠后总价": "￥1234.56"},
    {"优惠后总价": "1,234.56元"},
    {"优惠后总价": "CNY 1234.56"},
    {"优惠后总价": "'1234.56"},
    {"优惠后总价": '="1234.56"'},
    {"优惠后总价": "1234.56\t"},
    {"组件用量": "１０．００"},
    {"组件刊例价": "¥60.00"},
    {"折扣率": "100%"},
    {"支付者UIN": f"'{OWNER}"},
    {"支付者UIN": f'="{OWNER}"'},
    {"支付者UIN": "".join(chr(ord(digit) + 0xFEE0) for digit in OWNER)},
    {"支付者UIN": f"\t{OWNER}"},
]  # fmt: skip


def test_values_are_read_as_spreadsheets_write_them(tmp_path: Path) -> None:
    [trial] = read(tmp_path, "bill.csv", table([CHINESE | spelling for spelling in SPELLINGS]))
    assert trial.rejects == []
    assert lines([trial]) == [LINE] * len(SPELLINGS)


GUESSES = [
    ({"优惠后总价": "1,23.4"}, "invalid_real_cost"),
    ({"优惠后总价": "$1234.56"}, "invalid_real_cost"),
    ({"开始使用时间": "46266.4167"}, "invalid_fee_begin_time"),
    ({"开始使用时间": "9/1/2026"}, "invalid_fee_begin_time"),
    ({"支付者UIN": "1.00000E+11"}, "invalid_owner_uin"),
]


AROUND = ["'%", "''%", '="%"', '\'="%"', '="%" ', '="\'% "', "\t'%\u00a0"]


@pytest.mark.parametrize("line", [CHINESE, ENGLISH], ids=["chinese", "english"])
def test_every_value_may_have_what_spreadsheets_put_around_it(
    tmp_path: Path, line: dict[str, str]
) -> None:
    [plain] = read(tmp_path, "plain.csv", table([line]))
    rows = [
        {name: value and around.replace("%", value) for name, value in line.items()}
        for around in AROUND
    ]
    [trial] = read(tmp_path, "bill.csv", table(rows))
    assert plain.records
    assert (trial.records, trial.rejects) == (plain.records * len(AROUND), [])


def test_what_would_be_a_guess_is_rejected(tmp_path: Path) -> None:
    [trial] = read(tmp_path, "bill.csv", table([CHINESE | spelling for spelling, _ in GUESSES]))
    assert [(line, why) for line, why, _kept in trial.rejects] == [
        (number, reason) for number, (_spelling, reason) in enumerate(GUESSES, 2)
    ]


def test_a_bill_in_another_currency_is_rejected(tmp_path: Path) -> None:
    [trial] = read(tmp_path, "bill.csv", table([ENGLISH | {"Currency": "USD"}]))
    assert [why for _line, why, _kept in trial.rejects] == ["other_currency"]


def test_a_discount_in_percent(tmp_path: Path) -> None:
    [trial] = read(tmp_path, "bill.csv", table([CHINESE | {"折扣率": "85%"}]))
    assert dict(zip(trial.columns, trial.records[0], strict=True))["discount"] == Decimal("0.85")


def test_an_archive_of_several_parts(tmp_path: Path) -> None:
    part = table([CHINESE]).encode("gb18030")
    content = archive({f"{OWNER}-bill_details_{n}.csv": part for n in (1, 2)})
    trials = read(tmp_path, f"{OWNER}-202609-by_used_time-bill_details.zip", content)
    assert lines(trials) == [LINE, LINE]
    assert [trial.name.rpartition("/")[2] for trial in trials] == [
        f"{OWNER}-bill_details_1.csv",
        f"{OWNER}-bill_details_2.csv",
    ]


def test_a_workbook_with_two_bills_is_rejected(tmp_path: Path) -> None:
    [trial] = read(tmp_path, "bill.xlsx", workbook([CHINESE], sheets=2))
    assert trial.unreadable is not None
    assert "has several sheets with the columns of its feed" in trial.unreadable


def test_a_workbook_without_the_columns_is_rejected(tmp_path: Path) -> None:
    [trial] = read(tmp_path, "bill.xlsx", workbook([{"a": 1}]))
    assert trial.unreadable is not None
    assert "has no sheet with the columns of its feed" in trial.unreadable


def test_a_workbook_may_be_packed(tmp_path: Path) -> None:
    [trial] = read(tmp_path, "bill.zip", archive({"2026/bill.xlsx": workbook([CHINESE])}))
    assert lines([trial]) == [LINE]


def test_a_damaged_workbook_is_unreadable_and_never_a_fault_of_the_run(tmp_path: Path) -> None:
    """Bytes changed anywhere, and members that are cut or not there."""
    whole = workbook([CHINESE])
    with zipfile.ZipFile(io.BytesIO(whole)) as unpacked:
        members = {name: unpacked.read(name) for name in unpacked.namelist()}
    damaged = []
    for seed in range(60):
        random = Random(seed)
        content = bytearray(whole)
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        name = random.choice(list(members))
        cut = members | {name: members[name][: random.randrange(len(members[name]))]}
        damaged += [bytes(content), archive(cut), archive({**cut, name: b""})]
    shape = shape_of("vendor_bills", "canonical", READING_RULES)
    for number, content in enumerate(damaged):
        path = tmp_path / f"{number}.xlsx"
        path.write_bytes(content)
        with suppress(UnreadableFileError):
            sheet_as_csv(path, shape, tmp_path / "sheet.csv")


ITEM = item(*WRITTEN)


@pytest.mark.parametrize(
    "document",
    [
        json.dumps({"DetailSet": [ITEM], "Total": 1, "RequestId": "r"}, indent=4),
        "\n".join(json.dumps({"DetailSet": [ITEM], "Total": 2}, indent=4) for _ in (1, 2)),
        json.dumps([{"Response": {"DetailSet": [ITEM]}}, {"Response": {"DetailSet": [ITEM]}}]),
        json.dumps([{"DetailSet": [ITEM, ITEM]}], indent=1),
        json.dumps([ITEM, ITEM]),
        json.dumps([ITEM]),
        json.dumps(ITEM),
    ],
    ids=["page", "pages", "array-of-pages", "array-of-a-page", "items", "array-of-an-item", "item"],
)
def test_pages_that_tccli_saved(tmp_path: Path, document: str) -> None:
    found = lines(read(tmp_path, "bill.json", document))
    assert found == [LINE] * document.count('"PayerUin"')


def test_packages_and_payments_are_kept(tmp_path: Path) -> None:
    [trial] = read(tmp_path, "bill.json", json.dumps(ITEM))
    record = dict(zip(trial.columns, trial.records[0], strict=True))
    assert (record["total_amount"], record["deducted_amount"]) == (12, 2)
    assert record["cash_amount"] == Decimal("1234.56")
    assert (record["voucher_amount"], record["incentive_amount"]) == (0, None)


def test_adjustments_of_the_vendor(tmp_path: Path) -> None:
    [trial] = read(tmp_path, "adjust.json", adjustment(OWNER, -3.5))
    record = dict(zip(trial.columns, trial.records[0], strict=True))
    assert (record["owner_uin"], record["real_cost"]) == (OWNER, Decimal("-3.5"))
    assert (record["transaction_type"], record["bill_id"]) == ("manualAdjustment", "2220726096135")
    assert record["bill_month"] == date(2026, 9, 1)
