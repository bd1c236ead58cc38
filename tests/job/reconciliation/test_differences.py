"""The vendor's own bills against ours, with every kind of difference planted in one of them."""

from __future__ import annotations

import json
import subprocess
from datetime import date
from decimal import Decimal
from pathlib import Path

from tests.support.commands import callbill, settle
from tests.support.landing_files import gz, json_lines, write
from tests.support.places import copy_of, places, query
from tests.support.vendor_bills import (
    CASES,
    DIFFERENCES,
    EXPECTED,
    answer,
    found,
)


def test_every_planted_difference_is_found_and_nothing_else(reconciled: Path) -> None:
    assert found(reconciled, DIFFERENCES, "category <> 'none'") == EXPECTED


def test_the_parts_make_up_the_difference(reconciled: Path) -> None:
    parts = " + ".join(
        f"{part}_difference"
        for part in ("missing", "volume", "price", "rounding", "period", "unexplained")
    )
    wrong = f"""
        {parts} <> cost_difference or vendor_cost - real_cost <> cost_difference
        or vendor_calls - calls <> calls_difference
        or (category = 'none') <> (cost_difference = 0 and calls_difference = 0)
    """
    assert found(reconciled, "owner_uin", wrong) == []
    assert [tuple(map(str, part)) for part in found(
        reconciled,
        "volume_difference, price_difference, rounding_difference, unexplained_difference",
        "owner_uin = 'all-at-once'",
    )] == [("0.08642196", "0.00071215", "0.00360000", "0.00678902")]  # fmt: skip


def test_both_sides_are_what_was_billed(reconciled: Path) -> None:
    ours = query(
        reconciled,
        "select owner_uin, sum(calls), sum(real_cost) from billing.bill_lines"
        " group by 1 order by 1",
    )
    compared = "component_code <> 'billVirtualId'"
    assert query(
        reconciled,
        "select owner_uin, sum(calls), sum(real_cost) from billing.reconciliation"
        f" where {compared} group by 1 order by 1",
    ) == ours  # fmt: skip
    theirs = sum(
        Decimal(row["优惠后总价"])
        for case in CASES.values()
        for row in case.rows
        if row["产品名称"] in ("联网图像搜索", "") and not row["交易类型"].startswith("调账")
    )
    assert query(reconciled, "select sum(vendor_cost) from billing.reconciliation") == [(theirs,)]


def test_every_line_says_what_became_of_it(
    reconciled: Path, printed: subprocess.CompletedProcess[str]
) -> None:
    rows = [row for case in CASES.values() for row in case.rows]
    others = {"云服务器", "CDN"}
    adjustments = {"billVirtualId", "月度计费精度差异"}
    expected = [
        (number, row["支付者UIN"], row["开始使用时间"][:10], Decimal(row["优惠后总价"]),
         "other_product" if row["产品名称"] in others
         else "adjustment" if row["交易类型"] in adjustments
         else "bill_adjustment" if row["交易类型"].startswith("调账") else "usage")
        for number, row in enumerate(rows, start=2)
    ]  # fmt: skip
    assert query(
        reconciled,
        "select line_number, owner_uin, usage_date::varchar, vendor_cost, status"
        " from billing.vendor_bill_lines order by line_number",
    ) == expected  # fmt: skip
    left_out = sum(line[-1] == "other_product" for line in expected)
    assert f"{left_out} line(s) of the vendor's are of other products" in printed.stdout


def test_the_api_says_the_same(nights: Path, reconciled: Path, tmp_path: Path) -> None:
    """Pages of answers, items by themselves, packed: whatever was kept of DescribeBillDetail."""
    place = copy_of(nights, tmp_path)
    rows = [row for case in CASES.values() for row in case.rows]
    whole, single = rows[:30], answer(rows[30:])["Response"]["DetailSet"]
    pages = [answer(whole[:15]), answer(whole[15:])["Response"]]
    folder = place / "landing/vendor_bills/arrived_on=2026-09-11"
    pages.append({"DetailSet": [], "Total": 0})  # the last page holds nothing
    write(folder / "pages.jsonl", json_lines(*pages))
    write(folder / "items.jsonl.gz", gz(json_lines(*single[:-4])))
    # As command lines and people save them.
    saved = {
        "answer.json": answer(rows[-4:-2]),
        "list.json": single[-2:-1],
        "item.json": single[-1],
    }
    for name, said in saved.items():
        write(folder / name, json.dumps(said, indent=4, ensure_ascii=False).encode("utf-8-sig"))
    settle(place, date(2026, 9, 11))
    assert found(place, "*") == found(reconciled, "*")
    counts = "select lines_read, records_accepted, records_rejected from ops.source_files"
    assert sorted(query(place, f"{counts} where feed = 'vendor_bills'")) == [
        (1, 1, 0),
        (1, 1, 0),
        (1, 1, 0),
        (2, 2, 0),
        (len(single) - 4, len(single) - 4, 0),
    ]


def test_an_export_comes_back_without_a_difference(reconciled: Path, tmp_path: Path) -> None:
    """One month as Parquet, another as CSV."""
    place = copy_of(reconciled, tmp_path)
    for month, format_ in (("2026-08", "parquet"), ("2026-09", "csv")):
        ended = callbill(
            "export", *places(place), f"--month={month}", f"--format={format_}",
            f"--output={tmp_path}",
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        exported = tmp_path / f"callbill-{month}-detail.{format_}"
        target = place / f"landing/vendor_bills/arrived_on=2026-09-12/{exported.name}"
        target.parent.mkdir(exist_ok=True)
        exported.rename(target)
    # In place of the bill with all the differences, which can be withdrawn though it is sealed.
    ended = callbill("quarantine", *places(place), "vendor_bills/arrived_on=2026-09-11/bill.csv",
                     "--reason=planted")  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    settle(place, date(2026, 9, 12))
    assert query(place, "select distinct category from billing.reconciliation") == [("none",)]
    assert query(
        place, "select count(distinct (owner_uin, bill_month)) from billing.reconciliation"
    ) == query(place, "select count(*) from billing.precision_adjustments")
    ended = callbill("reconcile", *places(place))
    assert (ended.returncode, "Nothing differs." in ended.stdout) == (0, True)
