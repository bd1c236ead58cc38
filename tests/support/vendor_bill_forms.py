"""A line of the vendor's bill in every form that people and clouds deliver it."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import openpyxl

Row = dict[str, str]
# The line: an account's calls of 1 September 2026, in thousands, and what they cost.
Form = Callable[[str, str, str], bytes]


def chinese(owner: str, amount: str, cost: str) -> Row:
    return {
        "支付者UIN": owner,
        "使用者UIN": owner,
        "操作者UIN": owner,
        "产品名称": "联网图像搜索",
        "子产品名称": "联网图像搜索",
        "交易类型": "按量计费日结",
        "扣费时间": "2026-09-02 08:10:00",
        "开始使用时间": "2026-09-01 00:00:00",
        "结束使用时间": "2026-09-01 23:59:59",
        "组件类型": "文搜图",
        "组件名称": "文搜图",
        "组件刊例价": "60.00000000",
        "组件用量": amount,
        "组件用量单位": "千次",
        "折扣率": "1",
        "优惠后总价": cost,
    }


def english(owner: str, amount: str, cost: str) -> Row:
    return {
        "Payer Account ID": owner,
        "Owner Account ID": owner,
        "Operator Account ID": owner,
        "Product Name": "wimgs",
        "Subproduct Name": "wimgs",
        "Transaction Type": "Daily settlement",
        "Transaction Time": "2026-09-02 08:10:00",
        "Usage Start Time": "2026-09-01 00:00:00",
        "Usage End Time": "2026-09-01 23:59:59",
        "Component Type": "wimgs_search_by_text",
        "Component Name": "wimgs_search_by_text",
        "Component List Price": "60.00000000",
        "Component Usage": amount,
        "Component Usage Unit": "千次",
        "Discount Rate": "1",
        "Currency": "CNY",
        "Total Amount After Discount (Excluding Tax)": cost,
    }


def focus(owner: str, amount: str, cost: str) -> Row:
    return {
        "BillingAccountId": owner,
        "SubAccountId": owner,
        "ServiceName": "联网图像搜索",
        "ChargeCategory": "Usage",
        "BillingPeriodStart": "2026-08-31T16:00:00Z",
        "ChargePeriodStart": "2026-08-31T16:00:00Z",
        "ChargePeriodEnd": "2026-09-01T16:00:00Z",
        "SkuId": "wimgs_search_by_text",
        "ListUnitPrice": "60.00000000",
        "PricingQuantity": amount,
        "PricingUnit": "1000 Requests",
        "BillingCurrency": "CNY",
        "BilledCost": cost,
        "EffectiveCost": "",
        "ServiceCategory": "",
    }


def item(owner: str, amount: str, cost: str) -> dict[str, Any]:
    """An item of the API DescribeBillDetail."""
    return {
        "PayerUin": owner,
        "BusinessCodeName": "联网图像搜索",
        "FeeBeginTime": "2026-09-01 00:00:00",
        "FeeEndTime": "2026-09-01 23:59:59",
        "PayTime": "2026-09-02 08:10:00",
        "BillMonth": "2026-09",
        "ComponentSet": [
            {
                "ComponentCodeName": "文搜图",
                "ItemCodeName": "文搜图",
                "SinglePrice": "60.00000000",
                "UsedAmount": amount,
                "UsedAmountUnit": "千次",
                "RealTotalMeasure": "12",
                "DeductedMeasure": "2",
                "RealCost": cost,
                "VoucherPayAmount": "0.00000000",
                "CashPayAmount": cost,
                "IncentivePayAmount": "-",
            }
        ],
    }


def table(rows: Sequence[Row], delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def workbook(rows: Sequence[dict[str, Any]], titles: int = 0, sheets: int = 1) -> bytes:
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


def typed(row: Row) -> dict[str, Any]:
    """The line as a spreadsheet keeps it: numbers and times instead of texts."""
    return row | {
        "支付者UIN": int(row["支付者UIN"]),
        "开始使用时间": datetime.fromisoformat("2026-09-01T00:00:00"),
        "结束使用时间": datetime.fromisoformat("2026-09-01T23:59:59"),
        "组件刊例价": 60,
        "组件用量": float(row["组件用量"]),
        "折扣率": 1.0,
        "优惠后总价": float(row["优惠后总价"]),
    }


def archive(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, member in members.items():
            packed.writestr(name, member)
    return content.getvalue()


def _pages(of: Sequence[dict[str, Any]]) -> str:
    return "\n".join(
        json.dumps({"DetailSet": [one], "Total": 1}, indent=4, ensure_ascii=False) for one in of
    )


# By the name of the file, whose ending counts.
FORMS: dict[str, Form] = {
    "chinese.csv": lambda *line: table([chinese(*line)]).encode(),
    "bom.csv": lambda *line: ("\ufeff" + table([chinese(*line)])).encode(),
    "gb18030.CSV": lambda *line: table([chinese(*line)]).encode("gb18030"),
    "titled.csv": lambda *line: (
        "腾讯云账单明细\n账单月份,2026-09\n\n" + table([chinese(*line)])
    ).encode(),
    "titled_gb18030.csv": lambda *line: ("腾讯云账单明细\n" + table([chinese(*line)])).encode(
        "gb18030"
    ),
    "semicolons.csv": lambda *line: ("sep=;\n" + table([chinese(*line)], ";")).encode(),
    "english.csv": lambda *line: table([english(*line)]).encode(),
    "focus.CSV": lambda *line: table([focus(*line)]).encode(),
    "bill.xlsx": lambda *line: workbook([chinese(*line)]),
    "titled.XLSX": lambda *line: workbook([chinese(*line)], titles=3),
    "typed.xlsx": lambda *line: workbook([typed(chinese(*line))]),
    "by_used_time-bill_details.zip": lambda *line: archive(
        {"bill_details_1.csv": table([chinese(*line)]).encode("gb18030")}
    ),
    "page.json": lambda *line: json.dumps(
        {"Response": {"DetailSet": [item(*line)], "Total": 1, "RequestId": "r"}}, indent=4
    ).encode(),
    "tccli.json": lambda *line: _pages([item(*line)]).encode(),
    "pages.jsonl": lambda *line: json.dumps({"DetailSet": [item(*line)]}).encode(),
    "items.json": lambda *line: json.dumps([item(*line)]).encode(),
}


def adjustment(owner: str, amount: float) -> bytes:
    """An answer of the API DescribeBillAdjustInfo."""
    one = {
        "PayerUin": owner,
        "Month": "2026-09",
        "AdjustType": "manualAdjustment",
        "AdjustNum": "2220726096135",
        "AdjustCompletionTime": "2026-09-02 12:39:04",
        "AdjustAmount": amount,
    }
    return json.dumps({"Total": 1, "Data": [one]}).encode()
