"""`callbill reconcile`, and lines of the vendor's bills that cannot be read."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest

from tests.support.commands import callbill, settle
from tests.support.landing_files import json_lines, write
from tests.support.places import copy_of, places, query
from tests.support.vendor_bills import (
    EXPECTED,
    Row,
    answer,
    bill,
    row,
)


def test_the_command_prints_what_differs_and_why(
    printed: subprocess.CompletedProcess[str],
) -> None:
    assert printed.returncode == 1
    unexplained = sum("unexplained" in row[3] for row in EXPECTED)
    assert f"{unexplained} difference(s) are unexplained" in printed.stderr
    lines = printed.stdout.splitlines()
    for owner, day, month, category, cost in EXPECTED:
        [line] = [
            line.split() for line in lines
            if line.split()[:3] == [month[:7], owner, day]
        ]  # fmt: skip
        assert category in line
        assert f"{cost:.8f}" == line[-1]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--owner=equal",), 0, "Nothing differs."),
        (("--owner=volume",), 0, "volume"),
        (("--owner=unexplained",), 1, "unexplained"),
        (("--owner=adjusted-otherwise", "--month=2026-08"), 1, "billVirtualId"),
        (("--owner=adjusted-otherwise", "--month=2026-09"), 2, ""),
        (("--owner=nobody",), 2, ""),
    ],
)
def test_it_ends_with_1_only_if_something_is_unexplained(
    reconciled: Path, arguments: Sequence[str], code: int, says: str
) -> None:
    ended = callbill("reconcile", *places(reconciled), *arguments)
    assert ended.returncode == code, ended.stderr
    assert says in ended.stdout
    if code == 2:
        assert "no bill of the vendor's" in ended.stderr


def bad_lines() -> Iterator[tuple[Row | str, str]]:
    good = row("equal", "2026-09-01", 1)
    for name, text, reason in (
        ("支付者UIN", "", "missing_owner_uin"),
        ("支付者UIN", "1.0E+11", "invalid_owner_uin"),
        ("开始使用时间", "", "missing_fee_begin_time"),
        ("开始使用时间", "1 September", "invalid_fee_begin_time"),
        ("结束使用时间", "2026-09-31 00:00:00", "invalid_fee_end_time"),
        ("扣费时间", "soon", "invalid_pay_time"),
        ("优惠后总价", "", "missing_real_cost"),
        ("优惠后总价", "1,23.00", "invalid_real_cost"),
        ("优惠后总价", "0.123456789", "invalid_real_cost"),
        ("组件用量", "ten", "invalid_used_amount"),
        ("组件刊例价", "60 yuan", "invalid_list_price"),
        ("折扣率", "90 percent", "invalid_discount"),
    ):
        yield good | {name: text}, reason


def test_lines_that_cannot_be_read_are_rejected_and_stand_in_the_way(
    nights: Path, tmp_path: Path
) -> None:
    place = copy_of(nights, tmp_path)
    rows = [line for line, _reason in bad_lines()]
    item = answer([row("equal", "2026-09-01", 10)])["Response"]["DetailSet"][0]
    twice = json.dumps(item).replace('"PayerUin"', '"PayerUin": "other", "PayerUin"', 1)
    bad = item | {"FeeBeginTime": None}
    folder = place / "landing/vendor_bills/arrived_on=2026-09-11"
    content = bill([row("equal", "2026-09-01", 10), *rows])  # type: ignore[list-item]
    write(folder / "bill.csv", content + b"," * content.splitlines()[0].count(b",") + b"\r\n")
    said = [
        {"Response": {"Error": {"Code": "AuthFailure"}}},
        twice,
        "no JSON",
        {"DetailSet": [item, bad]},
        {"DetailSet": ["x"]},
        item | {"BillMonth": "September"},
    ]
    write(folder / "bill.jsonl", json_lines(*said, item | {"PayTime": "2026-09-02 09:00:00"}))
    settle(place, date(2026, 9, 11))
    rejects = query(
        place, "select path[-9:], line_number, reason from ops.rejected_records order by all"
    )
    assert rejects == [
        *(("/bill.csv", number, reason) for number, (_line, reason) in enumerate(bad_lines(), 3)),
        ("ill.jsonl", 1, "no_items"),
        ("ill.jsonl", 2, "duplicate_key"),
        ("ill.jsonl", 3, "invalid_json"),
        ("ill.jsonl", 4, "missing_fee_begin_time"),
        ("ill.jsonl", 5, "invalid_structure"),
        ("ill.jsonl", 6, "invalid_bill_month"),
    ]
    ended = callbill("reconcile", *places(place), "--owner=equal")
    assert ended.returncode == 1
    # One is of another account.
    assert f"{len(rejects) - 1} line(s) of the vendor's bills could not be read" in ended.stderr
    ended = callbill("reconcile", *places(place), "--owner=equal", "--month=2026-06")
    assert "7 line(s)" in ended.stderr  # of which nobody knows


def test_a_total_below_the_lines_is_named_and_stands_in_nobodys_way(
    nights: Path, tmp_path: Path
) -> None:
    place = copy_of(nights, tmp_path)
    words = {"equal": "合计", "other-day": "总计：", "price": " Total", "volume": "Grand total"}
    together = b""
    for owner, word in words.items():
        header, *rest = bill([row(owner, "2026-09-01", 10)]).splitlines(keepends=True)
        total = f"{word}{',' * (header.count(b',') - 1)},0.60\r\n".encode()
        bill_file = place / f"landing/vendor_bills/arrived_on=2026-09-11/{owner}.csv"
        write(bill_file, b"".join([header, *rest, total]))
        together = (together or header) + b"".join([*rest, total])
    bill_in_hand = write(tmp_path / "together.csv", together)
    in_hand = callbill("reconcile", *places(place), "--bill", bill_in_hand)
    assert in_hand.returncode == 0, in_hand.stderr
    for line in (3, 5, 7, 9):
        assert f"A total, and no line of the bill: together.csv:{line}" in in_hand.stdout
    settle(place, date(2026, 9, 11))
    rejected = "select line_number, reason from ops.rejected_records"
    assert query(place, rejected) == [(3, "total_line")] * 4
    rejects_are_few = "select passed from ops.control_results where control_id = 'rejects_are_few'"
    assert query(place, rejects_are_few)[-1] == (True,)
    loaded = callbill("reconcile", *places(place))
    assert loaded.returncode == 0, loaded.stderr
