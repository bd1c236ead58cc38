"""The vendor's own bills against ours, with every kind of difference planted in one of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import callbill, run_job, settle
from tests.support.landing_files import gz, json_lines, record, write
from tests.support.places import copy_of, places, query

COMPONENT = "wimgs_search_by_text"
LIST_PRICE = Decimal("60")
# What a bill line says, by the names of the vendor's detail (L3).
Row = dict[str, str]
DAYS = [date(2026, 8, 28) + timedelta(days=n) for n in range(7)]  # over the end of a month
AUGUST, SEPTEMBER = "2026-08-01", "2026-09-01"
LAST_RUN = date(2026, 9, 10)


def row(
    owner: str, day: str, calls: int | str, price: str = "60", cost: str = "", **said: str
) -> Row:
    """A line of the vendor's bill, as right as it can be."""
    price_units = Decimal(calls) / 1000
    exact = (price_units * Decimal(price)).quantize(Decimal("1E-8"), ROUND_HALF_UP)
    return {
        "支付者UIN": owner,
        "产品名称": "联网图像搜索",
        "子产品名称": "联网图像搜索",
        "交易类型": "按量计费日结",
        "交易ID": "",
        "扣费时间": f"{date.fromisoformat(day) + timedelta(days=1)} 08:10:00",
        "开始使用时间": f"{day} 00:00:00",
        "结束使用时间": f"{day} 23:59:59",
        "组件类型": "文搜图",
        "组件名称": "文搜图",
        "组件刊例价": "60.00000000",
        "组件单价": price,
        "组件用量": str(price_units),
        "组件用量单位": "千次",
        "折扣率": "",
        "优惠后总价": cost or str(exact),
        **said,
    }


@dataclass
class Case:
    """An account: its calls by usage date, the vendor's lines, and what is to come out, as
    (usage date, bill month if not the usage date's, category, the vendor's less our cost)."""

    calls: dict[str, int]
    rows: list[Row]
    found: list[tuple[str, str, str, str]]
    price: str = "60"
    late: dict[str, int] = field(default_factory=dict)  # calls that arrive on 5 September


def difference(day: str, category: str, cost: str, month: str = "") -> tuple[str, str, str, str]:
    return day, month or f"{day[:7]}-01", category, cost


PLAIN = {"2026-09-01": 10, "2026-09-02": 20, "2026-09-03": 30}
CASES = {
    "equal": Case(PLAIN, [row("equal", day, n) for day, n in PLAIN.items()], []),
    "missing-here": Case(
        {"2026-09-01": 10},
        [row("missing-here", "2026-09-01", 10), row("missing-here", "2026-09-03", 7)],
        [difference("2026-09-03", "missing_here", "0.42")],
    ),
    "missing-there": Case(
        PLAIN,
        [row("missing-there", "2026-09-01", 10), row("missing-there", "2026-09-03", 30)],
        [difference("2026-09-02", "missing_there", "-1.2")],
    ),
    "volume": Case(
        PLAIN,
        [row("volume", day, n + (day == "2026-09-02")) for day, n in PLAIN.items()],
        [difference("2026-09-02", "volume", "0.06")],
    ),
    "price": Case(
        PLAIN,
        [row("price", day, n, "55.5" if n == 20 else "60") for day, n in PLAIN.items()],
        [difference("2026-09-02", "price", "-0.09")],
    ),
    "list-price": Case(
        {"2026-09-01": 1},  # a call costs less than rounding could hide
        [row("list-price", "2026-09-01", 1)],
        [difference("2026-09-01", "price", "0.006")],
        price="54",
    ),
    "discounted": Case(
        {"2026-09-01": 10},
        [row("discounted", "2026-09-01", 10, "60", "0.54", 折扣率="0.9")],
        [],
        price="54",
    ),
    "rounded": Case(
        {"2026-09-01": 7, "2026-09-02": 9},
        [
            row("rounded", "2026-09-01", 7, "43.21098125", "0.30"),
            row("rounded", "2026-09-02", 9, "43.21098125", "0.3888"),  # cut off
        ],
        [
            difference("2026-09-01", "rounding", "-0.00247687"),
            difference("2026-09-02", "rounding", "-0.00009883"),
        ],
        price="43.21098125",
    ),
    "other-month": Case(
        {"2026-08-31": 5},
        [
            row("other-month", "2026-08-31", 13),  # they knew of the late ones in time
            row("other-month", "2026-09-01", 2),
        ],
        [
            difference("2026-08-31", "period", "0.48"),
            difference("2026-08-31", "period", "-0.48", SEPTEMBER),
            difference("2026-09-01", "missing_here", "0.12"),
        ],
        late={"2026-08-31": 8},
    ),
    "other-day": Case(
        PLAIN,
        [
            row("other-day", "2026-09-01", 13),  # three calls at midnight
            row("other-day", "2026-09-02", 17),
            row("other-day", "2026-09-03", 30),
        ],
        [
            difference("2026-09-01", "period", "0.18"),
            difference("2026-09-02", "period", "-0.18"),
        ],
    ),
    "unexplained": Case(
        PLAIN,
        [row("unexplained", day, n, cost="2.11" if n == 20 else "") for day, n in PLAIN.items()],
        [difference("2026-09-02", "unexplained", "0.91")],
    ),
    "several": Case(
        {"2026-09-01": 10},
        [row("several", "2026-09-01", 12, "55")],
        [difference("2026-09-01", "volume+price", "0.06")],
    ),
    "all-at-once": Case(
        {"2026-09-01": 7},
        [
            row("all-at-once", "2026-09-01", 8, "43.3", "0.35"),
            row("all-at-once", "2026-09-01", 1, "43.21098125", "0.05"),
        ],
        [difference("2026-09-01", "volume+price+rounding+unexplained", "0.09752313")],
        price="43.21098125",
    ),
    "unknown-unit": Case(
        {"2026-09-01": 10},
        [row("unknown-unit", "2026-09-01", 10, 组件用量单位="GB")],
        [difference("2026-09-01", "volume+unexplained", "0")],
    ),
    "in-calls": Case(
        {"2026-09-01": 10},
        [row("in-calls", "2026-09-01", 10, 组件用量="10", 组件用量单位="次")],
        [],
    ),
    "other-component": Case(
        {"2026-09-01": 10},
        [
            row("other-component", "2026-09-01", 10),
            row("other-component", "2026-09-01", 3, 组件类型="图搜图", 组件名称="图搜图"),
        ],
        [difference("2026-09-01", "missing_here", "0.18")],
    ),
    "other-product": Case(
        {"2026-09-01": 10},
        [
            row("other-product", "2026-09-01", 10),
            row("other-product", "2026-09-01", 3, 产品名称="云服务器", 子产品名称="云服务器"),
        ],
        [],
    ),
    "reversed": Case(
        {"2026-09-01": 10},
        [
            row("reversed", "2026-09-01", 12),
            row("reversed", "2026-09-01", -2, 交易类型="按量计费冲正"),
        ],
        [],
    ),
    "a-sum-of-days": Case(
        {"2026-09-01": 10, "2026-09-02": 10},
        [row("a-sum-of-days", "2026-09-01", 20, 结束使用时间="2026-09-02 23:59:59")],
        [
            difference("2026-09-01", "volume+unexplained", "0.6"),
            difference("2026-09-02", "missing_there", "-0.6"),
        ],
    ),
    "adjusted-there": Case(
        {"2026-08-29": 7},
        [
            row("adjusted-there", "2026-08-29", 7, "43.21098125"),
            row("adjusted-there", "2026-08-01", 0, cost="-0.00247687", 交易类型="billVirtualId"),
        ],
        [],
        price="43.21098125",
    ),
    "adjusted-otherwise": Case(
        {"2026-08-29": 7},
        [
            row("adjusted-otherwise", "2026-08-29", 7, "43.21098125"),
            row("adjusted-otherwise", "2026-08-01", 0, cost="5", 交易类型="月度计费精度差异"),
        ],
        [difference("2026-08-01", "unexplained", "5.00247687")],
        price="43.21098125",
    ),
    "midnight-of-a-month": Case(
        {"2026-08-31": 10, "2026-09-01": 10},
        [
            row("midnight-of-a-month", "2026-08-31", 9),
            row("midnight-of-a-month", "2026-09-01", 11),
        ],
        [
            difference("2026-08-31", "period", "-0.06"),
            difference("2026-09-01", "period", "0.06"),
        ],
    ),
    "price-shown-short": Case(
        {"2026-09-01": 7},
        [row("price-shown-short", "2026-09-01", 7, "43.21", "0.30247687")],
        [],
        price="43.21098125",
    ),
    "nonsense-alone": Case(
        {"2026-09-01": 10},
        [
            row("nonsense-alone", "2026-09-01", 10),
            row("nonsense-alone", "2026-09-03", 10, cost="600"),
        ],
        [difference("2026-09-03", "missing_here+unexplained", "600")],
    ),
    "unsigned-reversal": Case(
        {"2026-09-01": 10},
        [
            row("unsigned-reversal", "2026-09-01", 12),
            row("unsigned-reversal", "2026-09-01", 2, cost="-0.12", 交易类型="按量计费冲正"),
        ],
        [],
    ),
    "no-component": Case(
        {"2026-09-01": 10},
        [
            row("no-component", "2026-09-01", 10),
            row("no-component", "2026-09-02", 5, 组件类型="-", 组件名称=""),
        ],
        [difference("2026-09-02", "missing_here", "0.3")],
    ),
    "no-product": Case(
        {"2026-09-01": 10},
        [row("no-product", "2026-09-01", 10, 产品名称="", 子产品名称="-")],
        [],
    ),
    "out-of-all-bounds": Case(
        {"2026-09-01": 10},
        [
            row("out-of-all-bounds", "2026-09-01", 10),
            row("out-of-all-bounds", "2026-09-02", 0, cost="5", 组件用量="9999999999"),
            row(
                "out-of-all-bounds",
                "2026-09-03",
                0,
                cost="720000",
                组件用量="12000000",
                组件类型="图搜图",
                组件名称="图搜图",
            ),
            row(
                "out-of-all-bounds",
                "2026-09-04",
                10,
                cost="0.6",
                组件刊例价="9999999999",
                折扣率="85",
            ),
            *(row("out-of-all-bounds", "2026-09-05", 10**9, 订单ID=str(n)) for n in range(12)),
        ],
        [
            difference("2026-09-02", "unexplained", "5"),
            difference("2026-09-03", "unexplained", "720000"),
            difference("2026-09-04", "missing_here", "0.6"),
            difference("2026-09-05", "missing_here", "720000000"),
        ],
    ),
    "another-products-numbers": Case(
        {"2026-09-01": 10},
        [
            row("another-products-numbers", "2026-09-01", 10),
            row(
                "another-products-numbers",
                "2026-09-01",
                1,
                cost="2.07",
                产品名称="CDN",
                子产品名称="CDN",
                组件用量="98765432109",
                组件单价="0.00000000021",
            ),
        ],
        [],
    ),
    "paid-back": Case(
        {"2026-09-01": 10},
        [
            row("paid-back", "2026-09-01", 10),
            row("paid-back", "2026-09-01", 0, cost="-5", 交易类型="调账补偿", 组件用量="-"),
        ],
        [difference("2026-09-01", "unexplained", "-5")],
    ),
}


def bill(rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def answer(rows: Sequence[Row]) -> dict[str, Any]:
    """The same lines as the API DescribeBillDetail gives them."""
    details = [
        {
            "PayerUin": row["支付者UIN"],
            "BusinessCodeName": row["产品名称"],
            "ActionTypeName": row["交易类型"],
            "PayTime": row["扣费时间"],
            "FeeBeginTime": row["开始使用时间"],
            "FeeEndTime": row["结束使用时间"],
            "ComponentSet": [
                {
                    # What there is nothing of may be told by a dash, beside what there is.
                    "ComponentCodeName": "-",
                    "ItemCodeName": row["组件名称"],
                    "SinglePrice": row["组件刊例价"],
                    "ContractPrice": row["组件单价"],
                    "Discount": row["折扣率"],
                    "UsedAmount": row["组件用量"],
                    "UsedAmountUnit": row["组件用量单位"],
                    "RealCost": row["优惠后总价"],
                }
            ],
        }
        for row in rows
    ]
    return {"Response": {"DetailSet": details, "RequestId": "5e2a"}}


def land(place: Path) -> None:
    """The accounts' calls and contracts; nothing of the vendor's."""
    contracts = [
        {
            "owner_uin": owner,
            "component_code": COMPONENT,
            "effective_from": "2026-08-01",
            "contract_price": case.price,
        }
        for owner, case in CASES.items()
        if case.price != "60"
    ]
    write(place / "landing/contracts/arrived_on=2026-08-28/all.jsonl", json_lines(*contracts))
    for arrived_on, calls in (("", "calls"), ("2026-09-05", "late")):
        by_day: dict[str, list[dict[str, Any]]] = {}
        for owner, case in CASES.items():
            for day, number in getattr(case, calls).items():
                by_day.setdefault(day, []).extend(
                    record(f"{owner}-{calls}-{day}-{n}", owner_uin=owner,
                           called_at=f"{day}T10:00:00+08:00")
                    for n in range(number)
                )  # fmt: skip
        for day, records in by_day.items():
            arrival = arrived_on or str(date.fromisoformat(day) + timedelta(days=1))
            folder = place / f"landing/call_logs/arrived_on={arrival}"
            write(folder / f"{calls}-{day}.jsonl", json_lines(*records))


def found(place: Path, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    return query(
        place,
        f"select {columns} from billing.reconciliation where {where}"
        " order by owner_uin, usage_date, bill_month, component_code",
    )


DIFFERENCES = """
    owner_uin, usage_date::varchar, bill_month::varchar, category, cost_difference
"""
EXPECTED = [
    (owner, day, month, category, Decimal(cost))
    for owner, case in sorted(CASES.items())
    for day, month, category, cost in case.found
]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The accounts' bills, before any of the vendor's came."""
    place = tmp_path_factory.mktemp("nights")
    land(place)
    settle(place, LAST_RUN)
    return place


@pytest.fixture(scope="module")
def reconciled(nights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With all cases in one bill."""
    place = copy_of(nights, tmp_path_factory.mktemp("reconciled"))
    rows = [row for case in CASES.values() for row in case.rows]
    write(place / "landing/vendor_bills/arrived_on=2026-09-11/bill.csv", bill(rows))
    settle(place, date(2026, 9, 11))
    return place


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
        if row["产品名称"] in ("联网图像搜索", "")
    )
    assert query(reconciled, "select sum(vendor_cost) from billing.reconciliation") == [(theirs,)]


def test_every_line_says_what_became_of_it(reconciled: Path) -> None:
    rows = [row for case in CASES.values() for row in case.rows]
    others = {"云服务器", "CDN"}
    adjustments = {"billVirtualId", "月度计费精度差异"}
    expected = [
        (number, row["支付者UIN"], row["开始使用时间"][:10], Decimal(row["优惠后总价"]),
         "other_product" if row["产品名称"] in others
         else "adjustment" if row["交易类型"] in adjustments else "usage")
        for number, row in enumerate(rows, start=2)
    ]  # fmt: skip
    assert query(
        reconciled,
        "select line_number, owner_uin, usage_date::varchar, vendor_cost, status"
        " from billing.vendor_bill_lines order by line_number",
    ) == expected  # fmt: skip
    ended = callbill("reconcile", *places(reconciled))
    left_out = sum(line[-1] == "other_product" for line in expected)
    assert f"{left_out} line(s) of the vendor's are of other products" in ended.stdout


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


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_an_export_comes_back_without_a_difference(
    reconciled: Path, tmp_path: Path, format_: str
) -> None:
    place = copy_of(reconciled, tmp_path)
    for month in ("2026-08", "2026-09"):
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


def test_the_month_that_the_vendor_states_is_its_bills(nights: Path, tmp_path: Path) -> None:
    """The API names it. A precision adjustment is of its usage's month, however late it comes."""
    place = copy_of(nights, tmp_path)
    items = answer(
        [
            row("other-month", "2026-08-31", 5, 扣费时间="2026-09-02 08:00:00"),
            row("adjusted-there", "2026-08-29", 7, "43.21098125"),
        ]
    )["Response"]["DetailSet"]
    items[0]["BillMonth"] = "2026-08"
    adjustment = row("adjusted-there", "2026-08-01", 0, cost="-0.00247687",
                     交易类型="billVirtualId", 扣费时间="2026-09-03 08:00:00")  # fmt: skip
    folder = place / "landing/vendor_bills/arrived_on=2026-09-04"
    write(folder / "bill.jsonl", json_lines(*items))
    write(folder / "bill.csv", bill([adjustment]))
    settle(place, date(2026, 9, 11))
    assert found(place, "owner_uin, bill_month::varchar, component_code, category") == [
        ("adjusted-there", AUGUST, "billVirtualId", "none"),
        ("adjusted-there", AUGUST, COMPONENT, "none"),
        ("other-month", AUGUST, COMPONENT, "none"),
    ]


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


def test_bills_by_the_hour_add_up(nights: Path, tmp_path: Path) -> None:
    """Each hour in a file of its own; one of them lies there twice."""
    place = copy_of(nights, tmp_path)
    hours = [
        row("equal", "2026-09-02", calls, 开始使用时间=f"2026-09-02 {hour}:00:00",
            结束使用时间=f"2026-09-02 {hour}:59:59")
        for hour, calls in (("09", 12), ("10", 8))
    ]  # fmt: skip
    folder = place / "landing/vendor_bills/arrived_on=2026-09-10"
    for number, line in enumerate([*hours, hours[0] | {"订单ID": ""}]):
        write(folder / f"{number}.csv", bill([line]))
    settle(place, date(2026, 9, 11))
    assert found(place, "vendor_calls, category", "usage_date = '2026-09-02'") == [(20, "none")]
    repeated = "select calls from billing.vendor_bill_lines where status = 'repeated'"
    assert query(place, repeated) == [(12,)]


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


def test_the_command_prints_what_differs_and_why(reconciled: Path) -> None:
    ended = callbill("reconcile", *places(reconciled))
    assert ended.returncode == 1
    unexplained = sum("unexplained" in row[3] for row in EXPECTED)
    assert f"{unexplained} difference(s) are unexplained" in ended.stderr
    lines = ended.stdout.splitlines()
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
        ("优惠后总价", "1,234.00", "invalid_real_cost"),
        ("优惠后总价", "0.123456789", "invalid_real_cost"),
        ("组件用量", "ten", "invalid_used_amount"),
        ("组件刊例价", "60元", "invalid_list_price"),
        ("折扣率", "90%", "invalid_discount"),
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
