"""Bills of the vendor beside ours."""

from __future__ import annotations

from callbill.base.text import printable
from callbill.cli.show.console import open_console, table_of
from callbill.queries.reconcile import Reconciliation

_DIFFERENCES = (
    *("month", "account", "usage date", "component", "why"),
    *("#our calls", "#their calls", "#our price", "#their price"),
    *("#our cost", "#their cost", "#difference"),
)


def show_reconciliation(reconciliation: Reconciliation) -> None:
    """The bills compared, the rows that differ with why, and what could not be compared."""
    console = open_console()
    bills, differences = reconciliation.bills, reconciliation.differences
    # A vendor that has no packages has no such column.
    parts = [
        part
        for part in (bills[0].parts if bills else ())
        if part != "package" or any(bill.parts[part] for bill in bills)
    ]
    console.print(
        table_of(
            f"Bills compared as known by {reconciliation.through}"
            " (CNY; difference: the vendor's less ours)",
            ["month", "account", "#ours", "#theirs", "#difference", *(f"#{p}" for p in parts)],
            [
                [
                    *(f"{bill.bill_month:%Y-%m}", bill.owner_uin, bill.real_cost),
                    *(bill.vendor_cost, bill.cost_difference),
                    *(bill.parts[part] or "" for part in parts),
                ]
                for bill in bills
            ],
        )
    )
    if differences:
        rows = [[f"{row[0]:%Y-%m}", *row[1:]] for row in differences]
        console.print(table_of("What differs", _DIFFERENCES, rows))
    elif bills:
        console.print("Nothing differs.")
    if reconciliation.left_out:
        console.print(
            f"{reconciliation.left_out} line(s) of the vendor's are of other products: left out."
        )
    for month, owner, count, amount in reconciliation.adjustments:
        console.print(
            f"The vendor itself corrected {month:%Y-%m} of account {owner} by {amount} CNY in"
            f" {count} line(s) (调账, 补结算, 重结算, 保底): not compared."
        )
    if reconciliation.settled_since:
        console.print(
            f"{reconciliation.settled_since} CNY of ours was settled since the vendor's bill:"
            " not compared."
        )
    if reconciliation.without_vendor_bill:
        console.print(
            f"Of {reconciliation.without_vendor_bill} of our bills the vendor's is not known:"
            " not compared."
        )
    for hint in reconciliation.hints:
        console.print(f"{printable(hint)}.", soft_wrap=True)
