"""The vendor's bills as they might come: the same lines in generated forms and spellings."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from tests.support.vendor_bill_forms import (
    Row,
    archive,
    chinese,
    english,
    focus,
    item,
    table,
    typed,
    workbook,
)

# owner, usage date, amount in thousands, cost
Line = tuple[str, date, Decimal, Decimal]
Spelling = Callable[[str, Random], str]


@dataclass(frozen=True)
class GeneratedBill:
    name: str
    content: bytes
    lines: list[Line]


def generate_bill(seed: int) -> GeneratedBill:
    random = Random(seed)
    # A few layouts for bills that are read together: a statement is planned for each.
    order = Random(f"{seed // 100} {random.randrange(3)}")
    owner = str(100000000000 + random.randint(0, 99))
    lines = [_line(random, owner) for _ in range(random.randint(1, 5))]
    name, content = random.choice([_csv, _csv, _csv, _workbook, _focus, _pages])(
        lines, random, order
    )
    if name.endswith((".csv", ".CSV", ".json")):
        ending = random.choice(["", "", ".gz", ".bz2"])
        content = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}[ending](content)
        name += ending
    if random.random() < 0.3:
        content = archive({random.choice(["", "bill/"]) + name: content})
        name = f"{owner}-202609-by_used_time-bill_details.zip"
    return GeneratedBill(name, content, lines)


def _line(random: Random, owner: str) -> Line:
    amount = Decimal(random.choice([1, 999, 1000, 1234567])) / 1000
    cost = (amount * random.choice([60, Decimal("40.8243")])).quantize(Decimal("1E-8"))
    return owner, date(2026, 9, random.randint(1, 28)), amount, cost


def _rows(
    lines: list[Line], random: Random, write: Callable[[str, str, str], Row], between: Row
) -> list[Row]:
    """Lines as rows. `between` has the columns of the day, with the form of its value."""
    rows = []
    for owner, day, amount, cost in lines:
        row = write(owner, f"{amount:.8f}", f"{cost:.8f}")
        for column, form in between.items():
            further = 1 if column in ("扣费时间", "Transaction Time") else 0
            at = day + timedelta(days=further)
            row[column] = form.format(at=at, year=at.year, month=at.month, day=at.day)
        rows.append(row)
    return rows


_DAYS = ["{at} 00:00:00", "{year}/{month}/{day} 0:00", "{year}年{month}月{day}日"]
_ENDS = ["{at} 23:59:59", "{year}/{month}/{day} 23:59", "{year}/{month}/{day} 23:59:59"]


def _in_chinese(lines: list[Line], random: Random) -> list[Row]:
    between = {
        "开始使用时间": random.choice(_DAYS),
        "结束使用时间": random.choice(_ENDS),
        "扣费时间": random.choice(["{at} 08:10:00", "{year}/{month}/{day} 8:10"]),
    }
    rows = _rows(lines, random, chinese, between)
    spell = {column: random.choice(ways) for column, ways in _SPELLINGS.items()}
    return [
        {
            name: spell[name](value, random) if name in spell else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _grouped(value: str, random: Random) -> str:
    return f"{Decimal(value):,}"


_FULL_WIDTH = str.maketrans("0123456789.", "０１２３４５６７８９．")
_AS_IT_IS: Spelling = lambda value, random: value  # noqa: E731
_TEXTS: list[Spelling] = [
    _AS_IT_IS,
    lambda value, random: f"'{value}",
    lambda value, random: f'="{value}"',
    lambda value, random: f"\t{value}",
    lambda value, random: f" {value}\u3000",
    lambda value, random: value.translate(_FULL_WIDTH),
]
_SPELLINGS: dict[str, list[Spelling]] = {
    "支付者UIN": _TEXTS,
    "组件用量": [*_TEXTS, _grouped],
    "优惠后总价": [
        *_TEXTS,
        _grouped,
        lambda value, random: f"¥{value}",
        lambda value, random: f"￥ {_grouped(value, random)}",
        lambda value, random: f"{value}元",
        lambda value, random: f"CNY {value}",
    ],
    "折扣率": [_AS_IT_IS, lambda value, random: "100%", lambda value, random: "-"],
}


def _csv(lines: list[Line], random: Random, order: Random) -> tuple[str, bytes]:
    if random.random() < 0.2:
        between = {
            "Usage Start Time": random.choice(_DAYS[:2]),
            "Usage End Time": random.choice(_ENDS),
            "Transaction Time": "{at} 08:10:00",
        }
        rows = _rows(lines, random, english, between)
    else:
        rows = _in_chinese(lines, random)
    rows = _in_another_order(rows, order)
    titles = random.choice(["", "", "腾讯云账单明细\n", "账单\n\n账单月份,2026-09\n"])
    text = titles + _table(rows, random, order)
    encoding = random.choice(["utf-8", "utf-8-sig", "gb18030"])
    return random.choice(["bill.csv", "BILL.CSV"]), text.encode(encoding)


def _in_another_order(rows: list[Row], order: Random) -> list[Row]:
    """The columns in any order, with some that nobody reads."""
    columns = list(rows[0])
    order.shuffle(columns)
    further = order.choice([{}, {"备注": "1,5"}, {"": ""}])
    return [{column: row[column] for column in columns} | further for row in rows]


def _table(rows: list[Row], random: Random, order: Random) -> str:
    delimiter = order.choice([",", ",", ";", "\t"])
    if random.random() < 0.5:
        return table(rows, delimiter)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, list(rows[0]), delimiter=delimiter, lineterminator="\r\n", quoting=csv.QUOTE_ALL
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _workbook(lines: list[Line], random: Random, order: Random) -> tuple[str, bytes]:
    # In a workbook ="…" is a formula, whose value only a spreadsheet knows.
    rows: list[dict[str, Any]] = [
        {name: value.removeprefix("=").strip('"') for name, value in row.items()}
        for row in _in_chinese(lines, random)
    ]
    if random.random() < 0.5:
        plain = {"开始使用时间": "{at} 00:00:00", "结束使用时间": "{at} 23:59:59"}
        rows = [
            typed(row) | {column: row[column] for column in plain}
            for row in _rows(lines, random, chinese, plain)
        ]
    return random.choice(["bill.xlsx", "BILL.XLSX"]), workbook(rows, random.randint(0, 3))


def _focus(lines: list[Line], random: Random, order: Random) -> tuple[str, bytes]:
    rows = []
    for owner, day, amount, cost in lines:
        before = day - timedelta(days=1)
        in_utc = random.random() < 0.5
        start = f"{before}T16:00:00Z" if in_utc else f"{day}T00:00:00+08:00"
        end = f"{day}T16:00:00Z" if in_utc else f"{day + timedelta(days=1)}T00:00:00+08:00"
        rows.append(
            focus(owner, f"{amount:f}", f"{cost:f}")
            | {"ChargePeriodStart": start, "ChargePeriodEnd": end}
        )
    rows = _in_another_order(rows, order)
    return f"FOCUS-bill_details-{lines[0][0]}-20260930.CSV", table(rows).encode("utf-8-sig")


def _pages(lines: list[Line], random: Random, order: Random) -> tuple[str, bytes]:
    """Pages of the API: one after the other, in an array, or items alone."""
    items = [
        item(owner, f"{amount:.8f}", f"{cost:.8f}")
        | {"FeeBeginTime": f"{day} 00:00:00", "FeeEndTime": f"{day} 23:59:59"}
        for owner, day, amount, cost in lines
    ]
    cut = random.randint(1, len(items))
    parts = [part for part in (items[:cut], items[cut:]) if part]
    pages: list[Any] = [{"DetailSet": part, "RequestId": "r"} for part in parts]
    if random.random() < 0.5:
        pages = [{"Response": page} for page in pages]
    indent = random.choice([None, 2, 4])
    way = random.randint(0, 2)
    if way == 0:
        return "bill.json", json.dumps(random.choice([pages, items]), indent=indent).encode()
    if way == 1:
        return "pages.json", "\n".join(json.dumps(page, indent=indent) for page in pages).encode()
    return "bill.jsonl", "".join(json.dumps(page) + "\n" for page in pages).encode()
