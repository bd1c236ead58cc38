"""A bill: lines as the vendor's console shows them, settlements, and the precision adjustment."""

from __future__ import annotations

from callbill.base.text import printable
from callbill.cli.show.console import open_console, table_of
from callbill.queries.bill import Bill, PrecisionAdjustment

_LINES = (
    *("settled", "usage", "line", "组件名称", "#刊例价", "#折扣率", "#优惠后单价"),
    *("价格单位", "#用量", "单位", "#原价", "#优惠后总价"),
)
_SETTLEMENTS = ("settled", "product", "#rated", "#扣费 deducted", "#difference")


def show_bill(bill: Bill, *, ids: bool = False) -> None:
    """Print a bill, with the ids of its lines if they are asked for."""
    console = open_console()
    as_of = f" as known on {bill.known_on}" if bill.known_on else ""
    if bill.adjustment is None:
        console.print(
            f"Account {printable(bill.owner_uin)} has no bill of {bill.month:%Y-%m}{as_of}."
        )
        return
    console.print(
        table_of(
            f"Bill of account {printable(bill.owner_uin)}, {bill.month:%Y-%m}{as_of} (CNY)",
            [*_LINES, *(["#line id"] if ids else [])],
            [line if ids else line[:-1] for line in bill.lines],
        )
    )
    console.print(table_of("Settlements (日结)", _SETTLEMENTS, bill.settlements))
    console.print(_adjustment_sentence(bill.adjustment), soft_wrap=True)


def _adjustment_sentence(adjustment: PrecisionAdjustment) -> str:
    difference = adjustment.adjustment_amount
    meaning = "charged too much" if difference > 0 else "charged too little, borne by the platform"
    return (
        "月度计费精度差异 precision adjustment:"
        f" deducted {adjustment.deducted_amount:f} − rated {adjustment.rated_amount:f}"
        f" = {difference:f}"
        + (f" ({meaning})" if difference else "")
        + ("." if adjustment.is_final else "; the month is still open.")
    )
