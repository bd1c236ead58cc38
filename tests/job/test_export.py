"""What is exported for others to read: the vendor's own layout, and FOCUS."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pypdf
import pytest
from focus_data_toolkit.model.capabilities import KNOWN_CONDITIONS
from focus_data_toolkit.model.validator import lint_focus_1_4_structure

from tests.support.commands import callbill, settle
from tests.support.landing_files import json_lines, record, write
from tests.support.places import copy_of, places, query
from tests.support.shared import make_once

# The vendor's own detail (L3), as its users know it.
L3 = [
    "支付者UIN", "使用者UIN", "操作者UIN", "产品名称", "计费模式", "项目名称", "地域", "可用区",
    "国内国际", "资源ID", "实例名称", "子产品名称", "交易类型", "订单ID", "交易ID", "扣费时间",
    "开始使用时间", "结束使用时间", "组件类型", "组件名称", "组件刊例价", "组件单价",
    "组件价格单位", "组件用量", "组件用量单位", "使用时长", "时长单位", "组件原价", "折扣率",
    "优惠后总价", "代金券支出(元)", "赠送账户支出(元)", "现金账户支出(元)",
]  # fmt: skip
MONTH = "2026-09"
# What a spreadsheet would compute, and an account whose costs have more than 15 digits.
FORMULAS = ["=1+1", "+A1", "-A1", "@SUM(A1)", '=HYPERLINK("http://x")']
DEAR = "100000000095"
# Of whose calls one is waived.
WAIVED = "2"
# A name with letters that the font of statements does not have.
RARE = "\u9f98\u9f49\u5546\u5e97"


def export(place: Path, folder: Path, *arguments: object) -> list[Path]:
    """The files that an export writes."""
    ended = callbill("export", *places(place), f"--month={MONTH}", f"--output={folder}", *arguments)
    assert ended.returncode == 0, ended.stderr
    written = sorted(folder.iterdir())
    assert sorted(line.rpartition(" (")[0] for line in ended.stdout.splitlines()) == [
        str(path) for path in written
    ]
    return written


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def _exported(place: Path, name: str, format_: str) -> Path:
    """The folder with the month of a place in the vendor's layout, exported once."""
    return make_once(
        f"exported-{name}-{format_}", lambda folder: export(place, folder, f"--format={format_}")
    )


@pytest.fixture(scope="module")
def vendor_csv(sample_place: Path) -> dict[str, Path]:
    """The sample's month in the vendor's layout."""
    files = _exported(sample_place, "sample", "csv").iterdir()
    return {path.stem.rpartition("-")[2]: path for path in files}


@pytest.fixture(scope="module")
def workbook(sample_place: Path) -> openpyxl.Workbook:
    """The same as a workbook."""
    [path] = _exported(sample_place, "sample", "xlsx").iterdir()
    return openpyxl.load_workbook(path)


@pytest.fixture(scope="module")
def focus(sample_place: Path) -> list[dict[str, Any]]:
    """All rows of the sample's mart."""
    return focus_of(sample_place)


def focus_of(place: Path) -> list[dict[str, Any]]:
    release = place / "published" / "current" / "callbill.duckdb"
    with duckdb.connect(str(release), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        found = con.execute("from billing.focus_cost_and_usage")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture(scope="module")
def odd() -> Path:
    """A month of accounts that a spreadsheet would take for formulas, and of a dear one."""
    return make_once("exported-odd", _settle_odd)


def _settle_odd(place: Path) -> None:
    day = date(2026, 9, 5)
    write(
        place / f"landing/contracts/arrived_on={day}/contracts.jsonl",
        json_lines(
            {
                "owner_uin": DEAR,
                "component_code": "wimgs_search_by_text",
                "effective_from": "2026-09-01",
                "effective_to": None,
                "contract_price": "9999999999.12345678",
            }
        ),
    )
    write(
        place / f"landing/call_logs/arrived_on={day}/calls.jsonl",
        json_lines(
            *(
                record(f"{owner}-{n}", owner_uin=owner, called_at="2026-09-04T10:00:00+08:00")
                for owner in [*FORMULAS, DEAR, RARE]
                for n in range(3)
            )
        ),
    )
    settle(place, day)


def test_the_detail_is_the_bill_in_the_vendors_columns(
    sample_place: Path, vendor_csv: dict[str, Path]
) -> None:
    path = vendor_csv["detail"]
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = rows_of(path)
    assert list(rows[0]) == L3
    marts = query(
        sample_place,
        f"""
        select owner_uin, usage_date::varchar || ' 00:00:00', usage_date::varchar || ' 23:59:59',
            settled_on::varchar || ' 08:00:00', component_name, list_price::varchar,
            contract_price::varchar, coalesce(discount::varchar, ''), used_amount::varchar,
            list_cost::varchar, real_cost::varchar, line_id,
            if(calls < 0, '按量计费冲正', '按量计费日结')
        from billing.bill_lines where bill_month = '{MONTH}-01'
        """,
    )
    columns = (
        *(
            "支付者UIN",
            "开始使用时间",
            "结束使用时间",
            "扣费时间",
            "组件名称",
            "组件刊例价",
            "组件单价",
        ),
        *("折扣率", "组件用量", "组件原价", "优惠后总价", "订单ID", "交易类型"),
    )
    assert sorted(tuple(row[name] for name in columns) for row in rows) == sorted(marts)
    assert {row["计费模式"] for row in rows} == {"按量计费"}


def test_deductions_have_the_precision_row(sample_place: Path, vendor_csv: dict[str, Path]) -> None:
    rows = rows_of(vendor_csv["deductions"])
    virtual = {
        row["支付者UIN"]: Decimal(row["优惠后总价"])
        for row in rows
        if row["交易类型"] == "billVirtualId"
    }
    assert virtual == dict(
        query(
            sample_place,
            "select owner_uin, adjustment_amount from billing.precision_adjustments"
            f" where bill_month = '{MONTH}-01'",
        )
    )
    assert {row["交易ID"] for row in rows if row["交易类型"] == "billVirtualId"} == {
        "月度计费精度差异"
    }
    # The row makes both columns one sum, which is the detail's with it.
    rated = {row["支付者UIN"]: Decimal() for row in rows}
    for row in rows_of(vendor_csv["detail"]):
        rated[row["支付者UIN"]] += Decimal(row["优惠后总价"])
    for owner, amount in rated.items():
        mine = [row for row in rows if row["支付者UIN"] == owner]
        deducted = sum(Decimal(row["扣费金额(元)"]) for row in mine)
        assert sum(Decimal(row["优惠后总价"]) for row in mine) == deducted
        assert amount + virtual[owner] == deducted
    paid = [row for row in rows if row["现金账户支出(元)"]]
    assert {row["支付者UIN"] for row in paid} == {"100000000008"}
    for row in paid:
        parts = Decimal(row["赠送账户支出(元)"]) + Decimal(row["现金账户支出(元)"])
        assert parts == Decimal(row["扣费金额(元)"])


def test_a_workbook_that_is_opened_again_has_the_same_decimals(
    workbook: openpyxl.Workbook, vendor_csv: dict[str, Path]
) -> None:
    assert workbook.sheetnames == ["detail", "deductions", "summary"]
    for name in vendor_csv:
        sheet = workbook[name]
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref == sheet.dimensions
        assert (sheet.print_title_rows, sheet.page_setup.fitToWidth) == ("$1:$1", 1)
        expected = rows_of(vendor_csv[sheet.title])
        heading, *rows = sheet.iter_rows()
        names = [cell.value for cell in heading]
        assert names == list(expected[0])
        assert len(rows) == len(expected)
        for row, said in zip(rows, expected, strict=True):
            for name, cell in zip(names, row, strict=True):
                assert _shown(cell) == said[name], (name, cell.value)
    # Numbers are numbers.
    [money] = [cell for cell in workbook["detail"][2] if cell.column == L3.index("优惠后总价") + 1]
    assert (money.data_type, money.number_format) == ("n", "0.00000000")
    [deducted] = [cell for cell in workbook["deductions"][2] if cell.column == 9]
    assert (deducted.data_type, deducted.number_format) == ("n", "0.00")


def test_a_workbook_ends_with_the_bills_and_their_sum(
    sample_place: Path, workbook: openpyxl.Workbook
) -> None:
    _heading, *rows, total = workbook["summary"].iter_rows()
    bills = query(
        sample_place,
        "select owner_uin, account_name, calls, rated_amount, deducted_amount"
        " from billing.monthly_bills left join billing.accounts using (owner_uin)"
        " where bill_month = '2026-09-01' order by 1",
    )
    assert [(row[0].value, row[1].value, row[4].value) for row in rows] == [
        bill[:3] for bill in bills
    ]
    assert total[0].value == "合计"
    for column, place in ((7, 3), (9, 4)):
        assert _shown(total[column]) == f"{sum(bill[place] for bill in bills):f}"


def _shown(cell: Any) -> str:
    """A cell as its format shows it, from the digits that the file holds."""
    if cell.value is None:
        return ""
    if cell.data_type == "n":
        decimals = len(cell.number_format.partition(".")[2])
        exact = Decimal(repr(cell.value))
        shown = round(exact, decimals)
        assert shown == exact, cell.value
        return f"{shown:f}"
    return cell.value.strftime("%Y-%m-%d %H:%M:%S") if cell.is_date else str(cell.value)


def test_parquet_has_the_same_values_as_decimals(
    sample_place: Path, vendor_csv: dict[str, Path]
) -> None:
    for path in _exported(sample_place, "sample", "parquet").iterdir():
        name = path.stem.rpartition("-")[2]
        found = duckdb.sql(f"from read_parquet('{path}')")
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        assert types["优惠后总价"] == "DECIMAL(38,8)"
        assert "DOUBLE" not in types.values()
        expected = [tuple(row.values()) for row in rows_of(vendor_csv[name])]
        texts = ", ".join(f"coalesce(cast(\"{column}\" as varchar), '')" for column in types)
        assert duckdb.sql(f"select {texts} from read_parquet('{path}')").fetchall() == expected


@pytest.mark.parametrize("layout", ["vendor", "focus"])
def test_texts_stay_texts_in_a_spreadsheet(odd: Path, tmp_path: Path, layout: str) -> None:
    column = "支付者UIN" if layout == "vendor" else "BillingAccountId"
    if layout == "vendor":
        path = max(_exported(odd, "odd", "csv").iterdir())
    else:
        [path] = export(odd, tmp_path / "csv", "--layout=focus")
    assert {row[column] for row in rows_of(path)} == {f"'{text}" for text in FORMULAS} | {
        DEAR,
        RARE,
    }
    for path in export(odd, tmp_path / "xlsx", f"--layout={layout}", "--format=xlsx"):
        for sheet in openpyxl.load_workbook(path):
            heading, *rows = sheet.iter_rows()
            place = [cell.value for cell in heading].index(column)
            owners = {row[place].value: row[place] for row in rows if row[place].value != "合计"}
            assert set(owners) == {*FORMULAS, DEAR, RARE}
            assert {cell.data_type for row in rows for cell in row} <= {"s", "n", "d"}
            assert all(cell.quotePrefix for owner, cell in owners.items() if owner[0] in "=+-@")


def test_such_texts_come_back_as_they_were(odd: Path, tmp_path: Path) -> None:
    place = copy_of(odd, tmp_path)
    [detail] = _exported(odd, "odd", "csv").glob("*detail*")
    write(place / "landing/vendor_bills/arrived_on=2026-09-06/bill.csv", detail.read_bytes())
    settle(place, date(2026, 9, 6))
    assert sorted(
        query(place, "select owner_uin, category from billing.reconciliation")
    ) == sorted((owner, "none") for owner in [*FORMULAS, DEAR, RARE])  # fmt: skip


def test_money_of_more_than_15_digits_is_text_in_a_workbook(odd: Path, tmp_path: Path) -> None:
    [path] = export(odd, tmp_path, "--format=xlsx", f"--owner={DEAR}")
    workbook = openpyxl.load_workbook(path)
    heading, row = workbook["detail"].iter_rows()
    cells = {name.value: cell for name, cell in zip(heading, row, strict=True)}
    assert cells["优惠后总价"].value == "29999999.99737037"
    assert cells["优惠后总价"].data_type == "s"
    assert cells["组件单价"].value == "9999999999.12345678"
    assert (cells["组件原价"].data_type, cells["组件原价"].value) == ("n", 0.18)
    [deducted] = [cell for cell in workbook["deductions"][2] if cell.column_letter == "I"]
    assert (deducted.data_type, deducted.value) == ("n", 30000000)


def test_the_same_release_gives_the_same_bytes(sample_place: Path, tmp_path: Path) -> None:
    formats = ("parquet", "csv", "xlsx")
    before = {format_: _exported(sample_place, "sample", format_) for format_ in formats}
    [book] = before["xlsx"].iterdir()
    # An archive tells times by two seconds.
    time.sleep(max(0, book.stat().st_mtime + 2.1 - time.time()))
    for format_ in formats:
        export(sample_place, tmp_path / format_, f"--format={format_}")
    files = [path for folder in before.values() for path in folder.iterdir()]
    assert len(files) == 5
    for path in files:
        [again] = tmp_path.rglob(path.name)
        assert path.read_bytes() == again.read_bytes(), path


def test_what_cannot_be_exported_is_bad_usage(odd: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for arguments in (
        ["--month=0001-01"],
        [f"--month={MONTH}", f"--output={tmp_path}/file/below"],
        [f"--month={MONTH}", "--output=/proc"],
        [f"--month={MONTH}", "--owner=\udcff"],
    ):
        ended = callbill("export", *places(odd), f"--output={tmp_path}", *arguments)
        assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
        assert "unexpected" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_export_of_nothing_says_so(odd: Path, tmp_path: Path) -> None:
    for arguments in (["--month=2025-01"], ["--month=2026-09", "--owner=nobody"]):
        ended = callbill("export", *places(odd), f"--output={tmp_path}", *arguments)
        assert ended.returncode == 2
        assert ended.stderr.startswith("callbill: there is no bill of ")
    assert not list(tmp_path.iterdir())


# --- FOCUS -------------------------------------------------------------------------------------


def text(value: object) -> str:
    """A value as the checker reads it from a file."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return "" if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)


def test_the_checker_of_focus_finds_nothing(focus: list[dict[str, Any]]) -> None:
    rows = [{name: text(value) for name, value in row.items()} for row in focus]
    report = lint_focus_1_4_structure("cost and usage", rows, supported_conditions=KNOWN_CONDITIONS)
    assert report.messages() == []
    assert report.row_count == len(focus) > 400
    # It would find something.
    rows[0]["ListCost"] = "1"
    del rows[1]["BilledCost"]
    assert len(lint_focus_1_4_structure("cost and usage", rows).violations) == 2


def test_the_exported_file_is_what_the_checker_saw(
    sample_place: Path, tmp_path: Path, focus: list[dict[str, Any]]
) -> None:
    [path] = export(sample_place, tmp_path, "--layout=focus")
    month = [
        {name: text(value) for name, value in row.items()}
        for row in focus
        if row["BillingPeriodStart"] == datetime.fromisoformat(f"{MONTH}-01T00:00:00+08:00")
    ]
    with path.open(encoding="utf-8", newline="") as stream:  # without a byte order mark
        exported = list(csv.DictReader(stream))

    def key(row: dict[str, str]) -> tuple[str, ...]:
        names = ("BillingAccountId", "x_LineId", "SubAccountId", "RegionId")
        return tuple(row[name] for name in names)

    assert sorted(exported, key=key) == sorted(month, key=key)
    # The checker's own command, on the file itself.
    command = [Path(sys.executable).with_name("focus-toolkit"), "validate", path]
    checked = subprocess.run(
        [*command, "--dataset", "cost-and-usage"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_focus_knows_callers_and_their_tags(focus: list[dict[str, Any]]) -> None:
    shop = [row for row in focus if row["BillingAccountId"] == "100000000005" and row["x_LineId"]]
    assert {row["SubAccountId"]: row["Tags"] for row in shop} == {
        "100000000005": '{"cost_center":"shop","environment":"production"}',
        "200000000051": '{"cost_center":"shop-front","team":"web"}',
        "200000000052": '{"cost_center":"shop-office","team":"operations"}',
        "200000000053": '{"cost_center":"shop-lab","team":"research"}',
    }
    assert {row["SubAccountName"] for row in shop if row["SubAccountId"] == "200000000051"} == {
        "商城前台 Shop front"
    }
    adjusted = [row for row in focus if row["ChargeCategory"] == "Adjustment"]
    assert {(row["SubAccountId"], row["RegionId"]) for row in adjusted} == {(None, None)}


def test_rules_of_focus_that_the_checker_leaves_out(focus: list[dict[str, Any]]) -> None:
    for row in focus:
        usage = row["ChargeCategory"] == "Usage"
        # To the last digit, where the checker allows a difference.
        for cost, price in (
            ("ListCost", "ListUnitPrice"),
            ("ContractedCost", "ContractedUnitPrice"),
        ):
            if row[price] is None:
                assert not usage
                assert row[cost] == row["BilledCost"]
            else:
                assert row[cost] == row[price] * row["PricingQuantity"]
        assert row["EffectiveCost"] == row["BilledCost"]
        # Given together for usage, and for nothing else.
        for name in ("PricingQuantity", "PricingUnit", "ConsumedQuantity", "ConsumedUnit", "SkuId",
                     "SkuPriceId", "SkuMeter", "PricingCategory", "ListUnitPrice"):  # fmt: skip
            assert (row[name] is not None) == usage, name
        if usage:
            assert row["PricingUnit"] == "1000 Requests"
            assert row["PricingQuantity"] * 1000 == row["ConsumedQuantity"]
            # Corrections and late usage keep the day that they are of.
            assert row["ChargePeriodEnd"] - row["ChargePeriodStart"] == DAY
            assert row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]
        else:
            assert row["ChargePeriodStart"] == row["BillingPeriodStart"]
            assert row["ChargePeriodEnd"] == row["BillingPeriodEnd"]
        assert row["BillingCurrency"] == "CNY"


DAY = datetime(2026, 9, 2) - datetime(2026, 9, 1)  # noqa: DTZ001


def test_only_what_corrects_a_closed_month_is_a_correction(focus: list[dict[str, Any]]) -> None:
    seen = {
        (row["x_LineType"], row["ChargePeriodStart"] < row["BillingPeriodStart"]): row[
            "ChargeClass"
        ]
        for row in focus
        if row["ChargeCategory"] == "Usage"
    }
    assert seen == {
        ("usage", False): None,
        ("late_usage", False): None,
        ("late_usage", True): None,
        ("correction", False): None,
        ("correction", True): "Correction",
        ("rerating", False): None,
        ("rerating", True): "Correction",
    }
    # Both months are closed.
    adjustments = [row for row in focus if row["ChargeCategory"] == "Adjustment"]
    assert {row["ChargeClass"] for row in adjustments} == {"Correction"}


@pytest.fixture(scope="module")
def september() -> Path:
    """Calls of August that became known in September, and failed calls among them and among those
    that were billed in August. Of another account two calls of a package of August and one at the
    price; in September both calls of the package and the one at the price turn out to have
    failed. A third one has two calls of a package that had three the day before, and one at the
    price that is waived in September."""
    return make_once("exported-september", _settle_september)


def _settle_september(place: Path) -> None:
    landing = place / "landing"
    for arrival, owner, code in (
        ("2026-09-01", "in-time", None),
        ("2026-09-05", "late", None),
        ("2026-09-08", "in-time", "InternalError"),
        ("2026-09-08", "late", "InternalError"),
    ):
        calls = [
            record(f"{owner}-{n}", owner_uin=owner, called_at="2026-08-31T10:00:00+08:00",
                   error_code=code)
            for n in range(2 if code else 5)
        ]  # fmt: skip
        write(landing / f"call_logs/arrived_on={arrival}/{owner}.jsonl", json_lines(*calls))
    package = {
        "package_id": "august", "owner_uin": "1", "component_code": "wimgs_search_by_text",
        "calls": 2, "valid_from": "2026-08-01", "valid_to": "2026-09-01",
    }  # fmt: skip
    write(landing / "packages/arrived_on=2026-08-01/p.jsonl", json_lines(package))
    for arrival, code in (("2026-09-01", None), ("2026-09-08", "InternalError")):
        calls = [
            record(str(n), owner_uin="1", called_at="2026-08-31T10:00:00+08:00", error_code=code)
            for n in range(3)
        ]
        write(landing / f"call_logs/arrived_on={arrival}/calls.jsonl", json_lines(*calls))
    of_account = {"owner_uin": WAIVED, "component_code": "wimgs_search_by_text"}
    package = {
        **of_account, "package_id": "of-two", "calls": 3,
        "valid_from": "2026-08-01", "valid_to": "2026-09-01",
    }  # fmt: skip
    write(landing / "packages/arrived_on=2026-08-31/of-two.jsonl", json_lines(package))
    shrunk = {**package, "calls": 2}
    write(landing / "packages/arrived_on=2026-09-01/of-two.jsonl", json_lines(shrunk))
    calls = [
        record(f"w{n}", owner_uin=WAIVED, called_at="2026-08-31T10:00:00+08:00") for n in range(3)
    ]
    write(landing / "call_logs/arrived_on=2026-09-01/waived.jsonl", json_lines(*calls))
    waiver = {**of_account, "waiver_id": "W", "usage_date": "2026-08-31", "calls": 1}
    waiver["reason"] = "load test"
    write(landing / "waivers/arrived_on=2026-09-02/w.jsonl", json_lines(waiver))
    settle(place, date(2026, 9, 8))


def test_what_corrects_late_usage_in_its_own_month_is_no_correction(september: Path) -> None:
    found = query(
        september,
        "select BillingAccountId, x_LineType, ConsumedQuantity::int, ChargeClass"
        " from billing.focus_cost_and_usage"
        " where ChargeCategory = 'Usage' and BillingAccountId in ('in-time', 'late') order by all",
    )
    assert found == [
        ("in-time", "correction", -2, "Correction"),
        ("in-time", "usage", 5, None),
        ("late", "correction", -2, None),
        ("late", "late_usage", 5, None),
    ]


def test_calls_of_a_package_are_committed_usage(september: Path) -> None:
    rows = focus_of(september)
    names = ("Category", "Id", "Name", "Quantity", "Status", "Type", "Unit")
    assert sorted(
        (
            row["x_LineType"],
            row["PricingCategory"],
            row["BilledCost"],
            row["EffectiveCost"],
            *(row[f"CommitmentDiscount{name}"] for name in names),
        )
        for row in rows
        if row["ConsumedQuantity"] and row["CommitmentDiscountId"] == "august"
    ) == [
        (kind, "Committed", 0, 0, "Usage", "august", None, calls, "Used", "Package", "Requests")
        for kind, calls in (("correction", -2), ("usage", 2))
    ]
    others = [row for row in rows if row["CommitmentDiscountId"] is None]
    assert {row["PricingCategory"] for row in others if row["x_LineId"]} == {"Standard"}
    assert {row[f"CommitmentDiscount{name}"] for row in others for name in names} == {None}
    texts = [{name: text(value) for name, value in row.items()} for row in rows]
    report = lint_focus_1_4_structure(
        "cost and usage", texts, supported_conditions=KNOWN_CONDITIONS
    )
    assert report.messages() == []


def test_what_the_detail_has_no_columns_for_is_written_beside_it(
    september: Path, tmp_path: Path
) -> None:
    """Three calls of August: two of a package, and one that is waived in September."""
    one = f"--owner={WAIVED}"
    august = {
        path.stem: rows_of(path)
        for path in export(september, tmp_path / "8", "--month=2026-08", one)
    }
    assert [
        (row["资源包ID"], row["购买用量"], row["失效日期"], row["本月抵扣用量"], row["剩余"])
        for row in august[f"callbill-2026-08-{WAIVED}-packages"]
    ] == [("of-two", "2", "2026-08-31", "2", "0")]
    [drawn] = august[f"callbill-2026-08-{WAIVED}-quantities"]
    assert (drawn["资源包ID"], drawn["抵扣用量"], drawn["减免单号"]) == ("of-two", "2", "")
    in_detail = {row["订单ID"]: row for row in august[f"callbill-2026-08-{WAIVED}-detail"]}
    assert (len(in_detail), in_detail[drawn["订单ID"]]["组件用量"]) == (2, "0.00000000")

    # The package has nothing to do with September.
    later = {
        path.stem: rows_of(path)
        for path in export(september, tmp_path / "9", "--month=2026-09", one)
    }
    assert f"callbill-2026-09-{WAIVED}-packages" not in later
    [waived] = later[f"callbill-2026-09-{WAIVED}-quantities"]
    assert (waived["减免单号"], waived["减免原因"], waived["调用次数"]) == ("W", "load test", "-1")
    [book] = export(september, tmp_path / "x", "--month=2026-09", "--format=xlsx", one)
    names = openpyxl.load_workbook(book).sheetnames
    assert names == ["detail", "deductions", "quantities", "summary"]


def test_an_open_months_difference_is_no_correction(odd: Path) -> None:
    found = query(
        odd,
        "select BillingAccountId, BilledCost::varchar, ChargeClass from"
        " billing.focus_cost_and_usage where ChargeCategory = 'Adjustment'",
    )
    assert found == [(DEAR, "0.00262963", None)]


def test_billed_is_what_was_deducted(sample_place: Path) -> None:
    billed = """
        select BillingAccountId, timezone('Asia/Shanghai', BillingPeriodStart)::date,
            sum(BilledCost)::varchar
        from billing.focus_cost_and_usage group by all
    """
    deducted = """
        select owner_uin, bill_month, sum(deducted_amount)::decimal(38, 8)::varchar
        from billing.settlements group by all
    """
    assert sorted(query(sample_place, billed)) == sorted(query(sample_place, deducted))


# --- statements ---


def shown(value: Decimal | int) -> str:
    return (
        f"{value:,}".replace("-", "−")
        if isinstance(value, int)
        else f"{value:,f}".replace("-", "−")
    )


@pytest.fixture(scope="module")
def statements(sample_place: Path) -> Path:
    """Those of all accounts of the sample's month."""
    return make_once("statements", lambda folder: export(sample_place, folder, "--format=pdf"))


def statement_of(statements: Path, owner: str) -> Path:
    return statements / f"callbill-{MONTH}-{owner}.pdf"


def test_a_statement_has_the_figures_of_the_marts(sample_place: Path, statements: Path) -> None:
    files = sorted(statements.iterdir())
    bills = query(
        sample_place,
        "select owner_uin, rated_amount, deducted_amount, adjustment_amount"
        " from billing.precision_adjustments where bill_month = '2026-09-01' order by 1",
    )
    assert [path.name for path in files] == [f"callbill-2026-09-{bill[0]}.pdf" for bill in bills]
    for path, (owner, *sums) in zip(files, bills, strict=True):
        pages = [page.extract_text() for page in pypdf.PdfReader(path).pages]
        text = "\n".join(pages)
        for number, page in enumerate(pages, 1):
            assert f"{number} / {len(pages)}" in page
        for word in (f"2026-09/{owner}", "2026年9月账单", "月度计费精度差异", "Tencent Cloud"):
            assert word in text, word
        words = Counter(text.split())
        for amount in sums:
            assert words[shown(amount)] >= 1
        for mart, columns in (
            ("bill_lines", ("calls", "list_cost", "real_cost")),
            ("settlements", ("rated_amount", "deducted_amount", "residual_amount")),
        ):
            rows = query(
                sample_place,
                f"select {', '.join(columns)} from billing.{mart}"
                f" where owner_uin = '{owner}' and bill_month = '2026-09-01'",
            )
            expected = Counter(shown(value) for row in rows for value in row)
            assert expected <= words, (owner, mart, expected - words)


def test_a_statement_says_prices_and_their_contracts(sample_place: Path, statements: Path) -> None:
    """Why the amount is what it is: each price, its calls, and since when the contract covers."""
    contracts = {
        "100000000003": "合同100000000003/wimgs_search_by_text/2026-08-16",
        "100000000004": "合同100000000004/wimgs_search_by_text/2026-08-28",
        "100000000005": None,
    }
    for owner, contract in contracts.items():
        first = pypdf.PdfReader(statement_of(statements, owner)).pages[0].extract_text()
        words, packed = Counter(first.split()), "".join(first.split())
        prices = query(
            sample_place,
            "select list_price, contract_price, sum(calls)::bigint, sum(real_cost)"
            " from billing.bill_lines"
            f" where owner_uin = '{owner}' and bill_month = '2026-09-01' group by 1, 2",
        )
        assert Counter(shown(value) for row in prices for value in row) <= words, owner
        assert (contract in packed) if contract else ("合同" not in packed)
        # Re-rating takes 28 calls more back at 60 than the bill charges: that is said.
        assert ("Negative calls were charged before" in first) == (owner == "100000000004")


def test_a_statement_has_what_the_page_of_the_bill_has(
    sample_place: Path, statements: Path, tmp_path: Path
) -> None:
    """The month before, each day, the ids of lines by which they are quoted."""
    owner = "100000000004"
    path = statement_of(statements, owner)
    text = "\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    packed = "".join(text.split())
    for figures in ("233227−6", "229231+2", "0.00000000−1.35975000−1.35975000", "13.7412.45−1.29"):
        assert figures in packed, figures
    assert "Compared with August 2026" in text
    # Calls billed, failed and not billed, and the cost.
    assert "2026-09-017100.38325000" in packed
    assert "2026-09-308100.43800000" in packed
    assert "without 0.07200000 CNY of calls of earlier months" in text
    ids = query(
        sample_place,
        "select line_id[:8] from billing.bill_lines"
        f" where owner_uin = '{owner}' and bill_month = '2026-09-01'",
    )
    words = set(text.split())
    assert {line_id for (line_id,) in ids} <= words
    # A re-rating takes back first, and then charges again.
    moved = query(
        sample_place,
        "select line_id[:8], calls from billing.bill_lines where line_type = 'rerating'"
        f" and owner_uin = '{owner}' and usage_date = '2026-08-28' order by calls",
    )
    [(taken, calls), (charged, _)] = moved
    assert calls == -11
    assert text.index(taken) < text.index(charged)
    # Nothing is known of its payments; of another account it is.
    assert "The account on" not in text
    [path] = export(
        sample_place, tmp_path / "1", "--format=pdf", "--owner=100000000001", "--month=2026-08"
    )
    text = "\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    last = text.partition("The account on 2026-10-02")[2]
    assert "Suspended" in last
    assert "−0.04" in last


def test_a_statement_contains_the_letters_that_it_uses(statements: Path) -> None:
    """Whoever opens it needs no font of Chinese."""
    path = statement_of(statements, "100000000004")
    fonts: dict[str, bool] = {}
    for page in pypdf.PdfReader(path).pages:
        for font in page["/Resources"]["/Font"].values():
            found = font.get_object()
            descriptor = found.get("/DescendantFonts", [found])[0].get_object()["/FontDescriptor"]
            fonts[found["/BaseFont"]] = "/FontFile2" in descriptor.get_object()
    assert all(fonts.values()), fonts
    assert any("NotoSansSC" in name for name in fonts)
    assert path.stat().st_size < 200_000


@pytest.fixture(scope="module")
def odd_statements(odd: Path) -> list[str]:
    """The first pages of statements of accounts of any name."""
    return [
        pypdf.PdfReader(path).pages[0].extract_text().replace("\n", "")
        for path in _exported(odd, "odd", "pdf").iterdir()
    ]


def test_a_rare_letter_is_still_there(odd_statements: list[str]) -> None:
    """Viewers have another font for it."""
    assert [text for text in odd_statements if f"{MONTH}/{RARE}" in text]


def test_a_statement_of_an_account_of_any_name(odd_statements: list[str]) -> None:
    assert len(odd_statements) == len(FORMULAS) + 2
    for owner in (*FORMULAS, DEAR):
        [_text] = [text for text in odd_statements if f"{MONTH}/{owner}" in text]


def test_the_same_statement_is_the_same_bytes(
    sample_place: Path, statements: Path, tmp_path: Path
) -> None:
    owner = "100000000002"
    [again] = export(sample_place, tmp_path, "--format=pdf", f"--owner={owner}")
    assert again.read_bytes() == statement_of(statements, owner).read_bytes()
