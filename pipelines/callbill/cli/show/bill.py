"""A bill: lines, settlements, totals, and the precision adjustment.

The tables fit 80 columns. With the lines' ids the columns of the vendor's console are shown, which
take more.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

from rich.console import Console

from callbill.base.text import printable
from callbill.cli.show.console import narrow_table_of, open_console, table_of
from callbill.queries.bill import Bill, BillLine, PrecisionAdjustment

_LINES = ("usage", "settled", "line", "#calls", "#刊例价", "#折后", "#原价", "#优惠后总价")
# With a column for the step, package or waiver, if a line has one.
_LINES_BY_STEP = (*_LINES[:3], "step", *_LINES[3:])
_ALL = (
    *("settled", "usage", "line", "组件名称", "#calls", "#刊例价", "#折扣率", "#优惠后单价"),
    *("价格单位", "#用量", "单位", "#原价", "#优惠后总价", "#line id", "step, package or waiver"),
)
_SETTLEMENTS = ("settled", "product", "#rated", "#扣费 deducted", "#difference")


def show_bill(bill: Bill, *, ids: bool = False) -> None:
    """Print a bill, with the ids of its lines if they are asked for."""
    console = open_console()
    as_of = f" as known on {bill.known_on}" if bill.known_on else ""
    title = f"Bill of account {printable(bill.owner_uin)}, {bill.month:%Y-%m}{as_of} (CNY)"
    if bill.account_name:
        console.print(printable(bill.account_name), soft_wrap=True)
    if ids:
        rows = [(*line[:4], *line[5:15], printable(line.stands)) for line in bill.lines]
        console.print(table_of(title, _ALL, rows))
    else:
        console.print(title, soft_wrap=True)
        _show_lines(console, bill.lines)
    total = ("total", "", *(sum(row[n] for row in bill.settlements) for n in (2, 3, 4)))
    console.print(narrow_table_of("Settlements (日结)", _SETTLEMENTS, [*bill.settlements, total]))
    console.print(_adjustment_sentence(bill.adjustment), soft_wrap=True)


def _show_lines(console: Console, lines: list[BillLine]) -> None:
    """The lines of each component, with their totals."""

    def component(line: BillLine) -> str:
        return line.component_code

    for code, group in groupby(sorted(lines, key=component), key=component):
        of_component = list(group)
        by_step = any(line.stands for line in of_component)
        rows: list[tuple[object, ...]] = [
            (
                line.usage_date,
                line.settled_on,
                line.line_type,
                *([printable(line.stands)] if by_step else []),
                line.calls,
                _short(line.list_price),
                _short(line.contract_price),
                line.list_cost,
                line.real_cost,
            )
            for line in of_component
        ]
        calls = sum(line.calls for line in of_component)
        costs = (
            sum(line.list_cost for line in of_component),
            sum(line.real_cost for line in of_component),
        )
        rows.append(("total", "", "", *([""] if by_step else []), calls, "", "", *costs))
        first = of_component[0]
        title = (
            f"{printable(first.component_name)} {printable(code)}, prices in"
            f" {printable(first.price_unit)}"
        )
        console.print(narrow_table_of(title, _LINES_BY_STEP if by_step else _LINES, rows))


def _short(price: Decimal) -> str:
    """A price without the zeros at its end."""
    text = f"{price:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _adjustment_sentence(adjustment: PrecisionAdjustment) -> str:
    difference = adjustment.adjustment_amount
    meaning = "charged too much" if difference > 0 else "charged too little, borne by the platform"
    return (
        "月度计费精度差异 precision adjustment:\n"
        f"  deducted {adjustment.deducted_amount:f} − rated {adjustment.rated_amount:f}"
        f" = {difference:f}"
        + (f"\n  ({meaning})" if difference else "")
        + ("" if adjustment.is_final else "\n  The month is still open.")
    )
