"""Lines of the vendor's bills in every form that people and clouds deliver them."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from callbill.base.settings import load_settings
from callbill.queries.try_file import Trial, try_file

OWNER = "100000000911"
CHINESE = {
    "支付者UIN": OWNER,
    "使用者UIN": OWNER,
    "操作者UIN": OWNER,
    "产品名称": "联网图像搜索",
    "子产品名称": "联网图像搜索",
    "交易类型": "按量计费日结",
    "扣费时间": "2026-09-02 08:10:00",
    "开始使用时间": "2026-09-01 00:00:00",
    "结束使用时间": "2026-09-01 23:59:59",
    "组件类型": "文搜图",
    "组件名称": "文搜图",
    "组件刊例价": "60.00000000",
    "组件用量": "10.00000000",
    "组件用量单位": "千次",
    "折扣率": "1",
    "优惠后总价": "1234.56000000",
}
ENGLISH = {
    "Payer Account ID": OWNER,
    "Owner Account ID": OWNER,
    "Operator Account ID": OWNER,
    "Product Name": "wimgs",
    "Subproduct Name": "wimgs",
    "Transaction Type": "Daily settlement",
    "Transaction Time": "2026-09-02 08:10:00",
    "Usage Start Time": "2026-09-01 00:00:00",
    "Usage End Time": "2026-09-01 23:59:59",
    "Component Type": "wimgs_search_by_text",
    "Component Name": "wimgs_search_by_text",
    "Component List Price": "60.00000000",
    "Component Usage": "10.00000000",
    "Component Usage Unit": "千次",
    "Discount Rate": "1",
    "Currency": "CNY",
    "Total Amount After Discount (Excluding Tax)": "1234.56000000",
}
FOCUS = {
    "BillingAccountId": OWNER,
    "SubAccountId": OWNER,
    "ServiceName": "联网图像搜索",
    "ChargeCategory": "Usage",
    "BillingPeriodStart": "2026-08-31T16:00:00Z",
    "ChargePeriodStart": "2026-08-31T16:00:00Z",
    "ChargePeriodEnd": "2026-09-01T16:00:00Z",
    "SkuId": "wimgs_search_by_text",
    "ListUnitPrice": "60.00000000",
    "PricingQuantity": "10",
    "PricingUnit": "1000 Requests",
    "BillingCurrency": "CNY",
    "BilledCost": "1234.56",
    "EffectiveCost": "",
    "ServiceCategory": "",
}
LINE = {
    "owner_uin": OWNER,
    "usage_date": date(2026, 9, 1),
    "used_amount": Decimal("10"),
    "list_price": Decimal("60"),
    "real_cost": Decimal("1234.56"),
}


def table(rows: list[dict[str, str]], delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def workbook(rows: list[dict[str, Any]], titles: int = 0, sheets: int = 1) -> bytes:
    book = openpyxl.Workbook()
    for n in range(sheets):
        sheet = book.active if n == 0 else book.create_sheet()
        assert sheet is not None
        for _ in range(titles):
            sheet.append(["腾讯云账单"])
        sheet.append(list(rows[0]))
        for row in rows:
            sheet.append(list(row.values()))
    book.create_sheet("说明").append(["字段说明"])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


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


WAYS = {
    "chinese.csv": table([CHINESE]),
    "bom.csv": "\ufeff" + table([CHINESE]),
    "gb18030.CSV": table([CHINESE]).encode("gb18030"),
    "titled.csv": "腾讯云账单明细\n账单月份,2026-09\n\n" + table([CHINESE]),
    "titled_gb18030.csv": ("腾讯云账单明细\n" + table([CHINESE])).encode("gb18030"),
    "semicolons.csv": "sep=;\n" + table([CHINESE], ";"),
    "english.csv": table([ENGLISH]),
    "focus.CSV": table([FOCUS]),
    "bill.xlsx": workbook([CHINESE]),
    "titled.XLSX": workbook([CHINESE], titles=3),
    "typed.xlsx": workbook(
        [
            CHINESE
            | {
                "支付者UIN": int(OWNER),
                "开始使用时间": datetime.fromisoformat("2026-09-01T00:00:00"),
                "结束使用时间": datetime.fromisoformat("2026-09-01T23:59:59"),
                "组件刊例价": 60,
                "组件用量": 10.0,
                "折扣率": 1.0,
                "优惠后总价": 1234.56,
            }
        ]
    ),
}
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


@pytest.mark.parametrize("name", WAYS)
def test_a_bill_is_read_in_whatever_form_it_comes(tmp_path: Path, name: str) -> None:
    assert lines(read(tmp_path, name, WAYS[name])) == [LINE]


@pytest.mark.parametrize("spelling", SPELLINGS, ids=str)
def test_values_are_read_as_spreadsheets_write_them(
    tmp_path: Path, spelling: dict[str, str]
) -> None:
    assert lines(read(tmp_path, "bill.csv", table([CHINESE | spelling]))) == [LINE]


@pytest.mark.parametrize(
    ("spelling", "reason"),
    [
        ({"优惠后总价": "1,23.4"}, "invalid_real_cost"),
        ({"优惠后总价": "$1234.56"}, "invalid_real_cost"),
        ({"开始使用时间": "46266.4167"}, "invalid_fee_begin_time"),
        ({"开始使用时间": "9/1/2026"}, "invalid_fee_begin_time"),
        ({"支付者UIN": "1.00000E+11"}, "invalid_owner_uin"),
    ],
)
def test_what_would_be_a_guess_is_rejected(
    tmp_path: Path, spelling: dict[str, str], reason: str
) -> None:
    [trial] = read(tmp_path, "bill.csv", table([CHINESE | spelling]))
    assert [(line, why) for line, why, _kept in trial.rejects] == [(2, reason)]


def test_a_bill_in_another_currency_is_rejected(tmp_path: Path) -> None:
    [trial] = read(tmp_path, "bill.csv", table([ENGLISH | {"Currency": "USD"}]))
    assert [why for _line, why, _kept in trial.rejects] == ["other_currency"]


def test_a_discount_in_percent(tmp_path: Path) -> None:
    [trial] = read(tmp_path, "bill.csv", table([CHINESE | {"折扣率": "85%"}]))
    assert dict(zip(trial.columns, trial.records[0], strict=True))["discount"] == Decimal("0.85")


def test_an_archive_of_several_parts(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for n in (1, 2):
            packed.writestr(f"{OWNER}-bill_details_{n}.csv", table([CHINESE]).encode("gb18030"))
    trials = read(tmp_path, f"{OWNER}-202609-by_used_time-bill_details.zip", content.getvalue())
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


ITEM = {
    "PayerUin": OWNER,
    "BusinessCodeName": "联网图像搜索",
    "FeeBeginTime": "2026-09-01 00:00:00",
    "FeeEndTime": "2026-09-01 23:59:59",
    "BillMonth": "2026-09",
    "ComponentSet": [
        {
            "ComponentCodeName": "文搜图",
            "ItemCodeName": "文搜图",
            "SinglePrice": "60.00000000",
            "UsedAmount": "10.00000000",
            "UsedAmountUnit": "千次",
            "RealTotalMeasure": "12",
            "DeductedMeasure": "2",
            "RealCost": "1234.56000000",
            "VoucherPayAmount": "0.00000000",
            "CashPayAmount": "1234.56000000",
            "IncentivePayAmount": "-",
        }
    ],
}


@pytest.mark.parametrize(
    "document",
    [
        json.dumps({"DetailSet": [ITEM], "Total": 1, "RequestId": "r"}, indent=4),
        "\n".join(json.dumps({"DetailSet": [ITEM], "Total": 2}, indent=4) for _ in (1, 2)),
        json.dumps([{"Response": {"DetailSet": [ITEM]}}, {"Response": {"DetailSet": [ITEM]}}]),
        json.dumps([ITEM, ITEM]),
        json.dumps(ITEM),
    ],
    ids=["page", "pages", "array-of-pages", "array-of-items", "item"],
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
    adjustment = {
        "PayerUin": OWNER,
        "Month": "2026-09",
        "AdjustType": "manualAdjustment",
        "AdjustNum": "2220726096135",
        "AdjustCompletionTime": "2026-10-02 12:39:04",
        "AdjustAmount": -3.5,
    }
    [trial] = read(tmp_path, "adjust.json", json.dumps({"Total": 1, "Data": [adjustment]}))
    record = dict(zip(trial.columns, trial.records[0], strict=True))
    assert (record["owner_uin"], record["real_cost"]) == (OWNER, Decimal("-3.5"))
    assert (record["transaction_type"], record["bill_id"]) == ("manualAdjustment", "2220726096135")
    assert record["bill_month"] == date(2026, 9, 1)
