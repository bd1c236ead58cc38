"""When bills of the vendor's come: again, early, late, and together with calls."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tests.support.commands import callbill, run_job, settle
from tests.support.landing_files import json_lines, record, write
from tests.support.places import copy_of, places, query
from tests.support.vendor_bills import (
    PLAIN,
    answer,
    bill,
    found,
    row,
)


def test_a_bill_that_is_fetched_again_counts_once_as_it_says_last(
    nights: Path, tmp_path: Path
) -> None:
    place = copy_of(nights, tmp_path)
    folder = place / "landing/vendor_bills"
    first = [row("equal", "2026-09-01", 99), row("equal", "2026-09-02", 20)]
    again = [row("equal", day, n) for day, n in PLAIN.items()]
    write(folder / "arrived_on=2026-09-03/bill.csv", bill(first))
    write(folder / "arrived_on=2026-09-09/bill.csv", bill(again))
    settle(place, date(2026, 9, 11))
    assert found(place, "usage_date::varchar, category, vendor_calls") == [
        (day, "none", n) for day, n in PLAIN.items()
    ]
    assert query(
        place,
        "select usage_date::varchar, calls from billing.vendor_bill_lines"
        " where status = 'superseded' order by all",
    ) == [("2026-09-01", 99), ("2026-09-02", 20)]  # fmt: skip


def test_a_whole_bill_that_is_fetched_again_replaces_what_it_has_no_more(
    nights: Path, tmp_path: Path
) -> None:
    """Lines that are gone, other deduction days, none at all, another form; a file that holds the
    months before and after is none of this one."""
    place = copy_of(nights, tmp_path)
    folder = place / "landing/vendor_bills"
    first = [
        *(row(owner, day, n) for owner in ("equal", "volume", "price") for day, n in PLAIN.items()),
        row("equal", "2026-09-02", 7, 组件类型="图搜图", 组件名称="图搜图"),
    ]
    later = {"2026-09-02": "2026-09-04 09:00:00"}
    again = [
        *(row("equal", day, n) for day, n in PLAIN.items()),
        *(
            row("volume", day, n, 扣费时间=later.get(day, f"{day} 23:00:00"))
            for day, n in PLAIN.items()
        ),
        *(row("price", day, n, 扣费时间="") for day, n in PLAIN.items()),
    ]
    write(folder / "arrived_on=2026-09-08/bill.csv", bill(first))
    answered = answer(again)
    for item in answered["Response"]["DetailSet"]:
        item["BusinessCode"] = "wimgs"  # of which the other form has the name
        del item["BusinessCodeName"]
    write(folder / "arrived_on=2026-09-09/bill.jsonl", json_lines(answered))
    others = [row("equal", day, 1) for day in ("2026-08-20", "2026-10-20")]
    write(folder / "arrived_on=2026-09-10/bill.csv", bill(others))
    settle(place, date(2026, 9, 11))
    assert found(
        place, "owner_uin, usage_date::varchar, category", "bill_month = '2026-09-01'"
    ) == [(owner, day, "none") for owner in ("equal", "price", "volume") for day in PLAIN]


def test_a_bill_of_the_vendors_settles_nothing(tmp_path: Path) -> None:
    """Alone it is loaded and waits; what comes later is billed as if it were not there."""
    vendor = tmp_path / "landing/vendor_bills/arrived_on=2026-08-20/bill.csv"
    write(vendor, bill([row("shop", "2026-09-01", 1)]))
    ended = run_job(tmp_path, "--through", "2026-09-10")
    assert (ended.returncode, "Nothing due" in ended.stdout) == (0, True), ended.stderr
    calls = tmp_path / "landing/call_logs/arrived_on=2026-09-02/calls.jsonl"
    write(calls, json_lines(record("a", owner_uin="shop", called_at="2026-09-01T10:00:00+08:00")))
    settle(tmp_path, date(2026, 9, 10))
    assert query(tmp_path, "select min(settled_on)::varchar from ops.sealed_settlements") == [
        ("2026-09-02",)
    ]
    assert query(tmp_path, "select line_type from billing.bill_lines") == [("usage",)]
    assert found(tmp_path, "vendor_calls, category") == [(1, "none")]
    ended = callbill("rebuild", *places(tmp_path))
    assert ended.returncode == 0, ended.stderr


def test_only_what_a_bill_can_know_is_compared(nights: Path, tmp_path: Path) -> None:
    """One that was fetched in the middle of a month, of one account: nothing else is missing."""
    place = copy_of(nights, tmp_path)
    write(
        place / "landing/vendor_bills/arrived_on=2026-09-03/bill.csv",
        bill([row("equal", "2026-09-01", 10)]),
    )
    settle(place, date(2026, 9, 11))
    assert found(place, "owner_uin, usage_date::varchar, category") == [
        ("equal", "2026-09-01", "none"),
    ]
    ended = callbill("reconcile", *places(place), "--owner=equal")
    assert "known by 2026-09-11" in ended.stdout
    # The 2nd was settled on the day that the bill came, the 3rd a day later.
    assert "3.00000000 CNY of ours was settled since the vendor's bill" in ended.stdout


def test_bill_and_calls_may_come_together(tmp_path: Path) -> None:
    """All in one go, weeks later: what the vendor would have deducted by then is compared."""
    days = ("2026-08-31", "2026-09-01", "2026-09-02", "2026-09-29")
    calls = [
        record(f"{day}-{n}", owner_uin="shop", called_at=f"{day}T10:00:00+08:00")
        for day in days
        for n in range(10)
    ]
    write(tmp_path / "landing/call_logs/arrived_on=2026-09-30/all.jsonl", json_lines(*calls))
    rows = [row("shop", day, 10, 扣费时间="") for day in days[:2]]
    write(tmp_path / "landing/vendor_bills/arrived_on=2026-09-30/all.csv", bill(rows))
    settle(tmp_path, date(2026, 9, 30))
    assert found(tmp_path, "usage_date::varchar, category", "bill_month = '2026-09-01'") == [
        ("2026-08-31", "period"),  # late with us, in time with them
        ("2026-09-01", "none"),
        ("2026-09-02", "missing_there"),
    ]  # The 29th was settled on the day that the bill came.


def test_what_was_deducted_on_the_day_it_came_is_compared_if_it_has_any(
    nights: Path, tmp_path: Path
) -> None:
    place = copy_of(nights, tmp_path)
    write(
        place / "landing/vendor_bills/arrived_on=2026-09-03/bill.csv",
        bill([row("equal", "2026-09-02", 20)]),
    )
    settle(place, date(2026, 9, 11))
    assert found(place, "usage_date::varchar, category") == [
        ("2026-09-01", "missing_there"),
        ("2026-09-02", "none"),
    ]
