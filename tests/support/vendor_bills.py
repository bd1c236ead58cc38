"""The vendor's bills for tests: accounts with every kind of difference between it and ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from tests.support.landing_files import json_lines, record, write
from tests.support.places import query

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
        # What the vendor corrects by itself is said, and not compared.
        [],
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
