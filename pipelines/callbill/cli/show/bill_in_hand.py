"""A vendor's bill in hand beside ours: as a table, as data, and as a letter to the vendor."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from callbill.cli.show.console import open_console
from callbill.cli.show.reconciliation import show_reconciliation
from callbill.queries.bill_in_hand import BillInHand, Evidence
from callbill.queries.reconcile import TOTAL_LINE

_COLUMNS = (
    *("bill_month", "owner_uin", "usage_date", "component_code", "category", "calls"),
    *("vendor_calls", "contract_price", "vendor_price", "real_cost", "vendor_cost"),
    "cost_difference",
)
_MOST_REJECTS = 10


def show_bill_in_hand(bill: BillInHand) -> None:
    """What differs and why, what is not settled yet, and what could not be read."""
    console = open_console()
    show_reconciliation(bill.reconciliation)
    count, cost, first_day = bill.not_settled
    if count:
        console.print(
            f"{count} line(s) of the vendor's of {cost} CNY are of {first_day} or later, which is"
            " not settled here yet: not compared."
        )
    for name, why in bill.not_read:
        console.print(f"Not read: {name}: {why}")
    for name, line, reason, _kept in bill.rejects[:_MOST_REJECTS]:
        if reason == TOTAL_LINE:
            console.print(f"A total, and no line of the bill: {name}:{line}")
        else:
            console.print(f"Could not be read: {name}:{line or ''} {reason}")


def write_differences(bill: BillInHand, form: str, output: Path | None) -> None:
    """What differs as CSV, JSON, a workbook or a letter; to a file or to the terminal."""
    if form == "xlsx":
        assert output is not None  # noqa: S101  the command sees to it
        _write_workbook(bill, output)
        return
    text = {"csv": _csv, "json": _json, "letter": letter}[form](bill)
    if output is None:
        print(text, end="")
    else:
        output.write_text(text, encoding="utf-8")


def _rows(bill: BillInHand) -> list[list[str]]:
    return [[_text(value) for value in row] for row in bill.reconciliation.differences]


def _text(value: object) -> str:
    return "" if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)


def _csv(bill: BillInHand) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(_rows(bill))
    return text.getvalue()


def _json(bill: BillInHand) -> str:
    count, cost, first_day = bill.not_settled
    content = {
        "file": bill.name,
        "settled_through": str(bill.reconciliation.through),
        "bills": [
            {
                "bill_month": str(one.bill_month),
                "owner_uin": one.owner_uin,
                "real_cost": f"{one.real_cost:f}",
                "vendor_cost": f"{one.vendor_cost:f}",
                "cost_difference": f"{one.cost_difference:f}",
                "parts": {name: f"{amount:f}" for name, amount in one.parts.items()},
            }
            for one in bill.reconciliation.bills
        ],
        "differences": [
            dict(zip(_COLUMNS, row, strict=True))
            | {"our_lines": [line[0] for line in one.lines], "request_ids": one.request_ids}
            for row, one in zip(_rows(bill), bill.evidence, strict=True)
        ],
        "not_settled_yet": {"lines": count, "cost": f"{cost:f}", "from": _text(first_day)},
        "not_read": [{"file": name, "why": why} for name, why in bill.not_read],
        "rejected_lines": bill.reconciliation.rejected,
        "hints": bill.reconciliation.hints,
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _write_workbook(bill: BillInHand, output: Path) -> None:
    import openpyxl  # here, because few commands need it

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("differences")
    sheet.append(list(_COLUMNS))
    for row in _rows(bill):
        sheet.append(row)
    evidence = book.create_sheet("evidence")
    evidence.append(["usage_date", "component_code", "line_id", "calls", "price", "request_id"])
    for one in bill.evidence:
        day, component = _text(one.difference[2]), _text(one.difference[3])
        for line in one.lines:
            evidence.append([day, component, line[0], _text(line[3]), _text(line[4]), ""])
        for request_id in one.request_ids:
            evidence.append([day, component, "", "", "", request_id])
    book.save(output)


def letter(bill: BillInHand) -> str:
    """A letter to the vendor, in Markdown: each difference with what stands behind our figure."""
    total = sum((one.cost_difference for one in bill.reconciliation.bills), Decimal(0))
    lines = [
        f"# Differences in the bill {bill.name}",
        "",
        f"We compared this bill with our own records, settled through"
        f" {bill.reconciliation.through}. It differs by {total:f} CNY"
        f" in {len(bill.evidence)} place(s). All amounts are in CNY.",
        "",
    ]
    for number, one in enumerate(bill.evidence, 1):
        lines += _paragraph(number, one)
    count, cost, first_day = bill.not_settled
    if count:
        lines += [
            f"Not compared yet: {count} line(s) of {cost:f} CNY, of {first_day} or later.",
            "",
        ]
    return "\n".join(lines)


def _paragraph(number: int, one: Evidence) -> list[str]:
    (_month, owner, day, component, category, calls, vendor_calls, price, vendor_price,
     cost, vendor_cost, difference) = one.difference  # fmt: skip
    lines = [
        f"## {number}. {day}, account {owner}, {component}: {category.replace('_', ' ')}",
        "",
        "| | calls | price | cost |",
        "|---|---|---|---|",
        f"| your bill | {vendor_calls} | {_text(vendor_price)} | {_text(vendor_cost)} |",
        f"| our records | {calls} | {_text(price)} | {_text(cost)} |",
        f"| difference | {vendor_calls - calls} | | {_text(difference)} |",
        "",
    ]
    if one.vendor_lines:
        numbers = ", ".join(str(line[0]) for line in one.vendor_lines)
        lines += [f"Lines of your bill: {numbers}.", ""]
    for list_price, discount, contract_price in one.contracts:
        what = (
            f"discount {_text(discount)} on the list price {_text(list_price)}"
            if discount is not None
            else "the agreed price"
        )
        lines += [f"Our price {_text(contract_price)} is {what}.", ""]
    if one.lines:
        lines += ["Our lines:", ""]
        lines += [
            f"- `{line_id}`: {line_calls} calls at {_text(line_price)} = {_text(line_cost)},"
            f" {line_type}, settled on {settled_on}"
            for line_id, settled_on, line_type, line_calls, line_price, line_cost in one.lines
        ]
        lines.append("")
    if one.calls:
        lines += [f"We have {one.calls} successful calls of this day. {_ids(one)}", ""]
    return lines


def _ids(one: Evidence) -> str:
    first: Sequence[Any] = one.request_ids
    which = (
        "Their request ids" if len(first) == one.calls else f"The first {len(first)} request ids"
    )
    return f"{which}: {', '.join(f'`{name}`' for name in first)}."
