"""When bills of the vendor's come: again, early, late, and together with calls."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.support.commands import callbill, run_job, settle
from tests.support.landing_files import json_lines, record, write
from tests.support.places import copy_of, places, query
from tests.support.shared import make_once
from tests.support.vendor_bills import (
    AUGUST,
    COMPONENT,
    PLAIN,
    answer,
    bill,
    found,
    row,
)

# The accounts of one night, to which bills of the vendor's came in several ways.
AGAIN, MIDDLE, ON_THE_DAY = "equal", "missing-there", "unexplained"
WHOLE = ("other-day", "price", "volume")
HOURS = "missing-here"
# Those of another place.
EARLY, TOGETHER = "early", "together"


def land_again(folder: Path) -> None:
    first = [row(AGAIN, "2026-09-01", 99), row(AGAIN, "2026-09-02", 20)]
    again = [row(AGAIN, day, n) for day, n in PLAIN.items()]
    write(folder / "arrived_on=2026-09-03/bill.csv", bill(first))
    write(folder / "arrived_on=2026-09-09/bill.csv", bill(again))


def land_whole(folder: Path) -> None:
    """Lines that are gone, other deduction days, none at all, another form; a file that holds the
    months before and after is none of this one."""
    equal, price, volume = WHOLE
    first = [
        *(row(owner, day, n) for owner in WHOLE for day, n in PLAIN.items()),
        row(equal, "2026-09-02", 7, 组件类型="图搜图", 组件名称="图搜图"),
    ]
    later = {"2026-09-02": "2026-09-04 09:00:00"}
    again = [
        *(row(equal, day, n) for day, n in PLAIN.items()),
        *(
            row(volume, day, n, 扣费时间=later.get(day, f"{day} 23:00:00"))
            for day, n in PLAIN.items()
        ),
        *(row(price, day, n, 扣费时间="") for day, n in PLAIN.items()),
    ]
    write(folder / "arrived_on=2026-09-08/whole.csv", bill(first))
    answered = answer(again)
    for item in answered["Response"]["DetailSet"]:
        item["BusinessCode"] = "wimgs"  # of which the other form has the name
        del item["BusinessCodeName"]
    write(folder / "arrived_on=2026-09-09/whole.jsonl", json_lines(answered))
    others = [row(equal, day, 1) for day in ("2026-08-20", "2026-10-20")]
    write(folder / "arrived_on=2026-09-10/whole.csv", bill(others))


def land_by_the_hour(folder: Path) -> None:
    """Each hour in a file of its own; one of them lies there twice."""
    hours = [
        row(HOURS, "2026-09-01", calls, 开始使用时间=f"2026-09-01 {hour}:00:00",
            结束使用时间=f"2026-09-01 {hour}:59:59")
        for hour, calls in (("09", 6), ("10", 4))
    ]  # fmt: skip
    for number, line in enumerate([*hours, hours[0] | {"订单ID": ""}]):
        write(folder / f"arrived_on=2026-09-10/{number}.csv", bill([line]))


def land_stated_months(folder: Path) -> None:
    """The API names it. A precision adjustment is of its usage's month, however late it comes."""
    items = answer(
        [
            row("other-month", "2026-08-31", 5, 扣费时间="2026-09-02 08:00:00"),
            row("adjusted-there", "2026-08-29", 7, "43.21098125"),
        ]
    )["Response"]["DetailSet"]
    items[0]["BillMonth"] = "2026-08"
    adjustment = row("adjusted-there", "2026-08-01", 0, cost="-0.00247687",
                     交易类型="billVirtualId", 扣费时间="2026-09-03 08:00:00")  # fmt: skip
    write(folder / "arrived_on=2026-09-04/months.jsonl", json_lines(*items))
    write(folder / "arrived_on=2026-09-04/months.csv", bill([adjustment]))


@pytest.fixture(scope="module")
def came(nights: Path) -> Path:
    """One night later: bills that came in several ways, each of accounts of its own."""

    def make(folder: Path) -> None:
        place = copy_of(nights, folder)
        landing = place / "landing/vendor_bills"
        for land in (land_again, land_whole, land_by_the_hour, land_stated_months):
            land(landing)
        in_the_middle = [row(MIDDLE, "2026-09-01", 10)]
        on_the_day = [row(ON_THE_DAY, "2026-09-02", 20)]
        write(landing / "arrived_on=2026-09-03/middle.csv", bill(in_the_middle))
        write(landing / "arrived_on=2026-09-03/on-the-day.csv", bill(on_the_day))
        settle(place, date(2026, 9, 11))

    return make_once("vendor-bills-that-came", make) / "copy"


def of(*owners: str) -> str:
    return f"owner_uin in ({', '.join(map(repr, owners))})"


def test_a_bill_that_is_fetched_again_counts_once_as_it_says_last(came: Path) -> None:
    assert found(came, "usage_date::varchar, category, vendor_calls", of(AGAIN)) == [
        (day, "none", n) for day, n in PLAIN.items()
    ]
    assert query(
        came,
        "select usage_date::varchar, calls from billing.vendor_bill_lines"
        f" where status = 'superseded' and {of(AGAIN)} order by all",
    ) == [("2026-09-01", 99), ("2026-09-02", 20)]  # fmt: skip


def test_a_whole_bill_that_is_fetched_again_replaces_what_it_has_no_more(came: Path) -> None:
    assert found(
        came,
        "owner_uin, usage_date::varchar, category",
        f"bill_month = '2026-09-01' and {of(*WHOLE)}",
    ) == [(owner, day, "none") for owner in WHOLE for day in PLAIN]


def test_bills_by_the_hour_add_up(came: Path) -> None:
    assert found(came, "vendor_calls, category", of(HOURS)) == [(10, "none")]
    repeated = (
        f"select calls from billing.vendor_bill_lines where status = 'repeated' and {of(HOURS)}"
    )
    assert query(came, repeated) == [(6,)]


def test_the_month_that_the_vendor_states_is_its_bills(came: Path) -> None:
    assert found(
        came,
        "owner_uin, bill_month::varchar, component_code, category",
        of("adjusted-there", "other-month"),
    ) == [
        ("adjusted-there", AUGUST, "billVirtualId", "none"),
        ("adjusted-there", AUGUST, COMPONENT, "none"),
        ("other-month", AUGUST, COMPONENT, "none"),
    ]


@pytest.fixture(scope="module")
def early_and_late() -> Path:
    """Of one account the bill comes first, alone, of another weeks later with all its calls."""

    def make(place: Path) -> None:
        vendor, logs = place / "landing/vendor_bills", place / "landing/call_logs"
        write(vendor / "arrived_on=2026-08-20/bill.csv", bill([row(EARLY, "2026-09-01", 1)]))
        ended = run_job(place, "--through", "2026-09-10")
        assert (ended.returncode, "Nothing due" in ended.stdout) == (0, True), ended.stderr
        call = record("a", owner_uin=EARLY, called_at="2026-09-01T10:00:00+08:00")
        write(logs / "arrived_on=2026-09-02/calls.jsonl", json_lines(call))
        days = ("2026-08-31", "2026-09-01", "2026-09-02", "2026-09-29")
        calls = [
            record(f"{day}-{n}", owner_uin=TOGETHER, called_at=f"{day}T10:00:00+08:00")
            for day in days
            for n in range(10)
        ]
        write(logs / "arrived_on=2026-09-30/all.jsonl", json_lines(*calls))
        rows = [row(TOGETHER, day, 10, 扣费时间="") for day in days[:2]]
        write(vendor / "arrived_on=2026-09-30/all.csv", bill(rows))
        settle(place, date(2026, 9, 30))

    return make_once("vendor-bills-early-and-late", make)


def test_a_bill_of_the_vendors_settles_nothing(early_and_late: Path, tmp_path: Path) -> None:
    """Alone it is loaded and waits; what comes later is billed as if it were not there."""
    assert query(early_and_late, "select min(settled_on)::varchar from ops.sealed_settlements") == [
        ("2026-09-02",)
    ]
    lines = f"select line_type from billing.bill_lines where {of(EARLY)}"
    assert query(early_and_late, lines) == [("usage",)]
    assert found(early_and_late, "vendor_calls, category", of(EARLY)) == [(1, "none")]
    place = copy_of(early_and_late, tmp_path)
    ended = callbill("rebuild", *places(place))
    assert ended.returncode == 0, ended.stderr


def test_only_what_a_bill_can_know_is_compared(came: Path) -> None:
    """One that was fetched in the middle of a month, of one account: nothing else is missing."""
    assert found(came, "owner_uin, usage_date::varchar, category", of(MIDDLE)) == [
        (MIDDLE, "2026-09-01", "none"),
    ]
    assert {owner for (owner,) in found(came, "owner_uin")} == {
        *(AGAIN, *WHOLE, MIDDLE, ON_THE_DAY, HOURS, "adjusted-there", "other-month")
    }
    ended = callbill("reconcile", *places(came), f"--owner={MIDDLE}")
    assert "known by 2026-09-11" in ended.stdout
    # The 2nd was settled on the day that the bill came, the 3rd a day later.
    assert "3.00000000 CNY of ours was settled since the vendor's bill" in ended.stdout


def test_bill_and_calls_may_come_together(early_and_late: Path) -> None:
    """All in one go, weeks later: what the vendor would have deducted by then is compared."""
    assert found(
        early_and_late,
        "usage_date::varchar, category",
        f"bill_month = '2026-09-01' and {of(TOGETHER)}",
    ) == [
        ("2026-08-31", "period"),  # late with us, in time with them
        ("2026-09-01", "none"),
        ("2026-09-02", "missing_there"),
    ]  # The 29th was settled on the day that the bill came.


def test_what_was_deducted_on_the_day_it_came_is_compared_if_it_has_any(came: Path) -> None:
    assert found(came, "usage_date::varchar, category", of(ON_THE_DAY)) == [
        ("2026-09-01", "missing_there"),
        ("2026-09-02", "none"),
    ]
