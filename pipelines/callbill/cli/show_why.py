"""What `explain` and `diff` print: why a figure is what it is, and what changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from callbill.base.text import printable
from callbill.cli.tables import open_console, table_of

if TYPE_CHECKING:
    from callbill.queries.changes import Changes

_MOST = 30


def show_explained_line(facts: dict[str, Any]) -> None:
    """A bill line down to the records behind it."""
    console = open_console()
    line, price = facts["line"], facts["price"]
    console.print(
        f"Line {line['line_id']}: {line['line_type']} of {line['usage_date']}, settled on"
        f" {line['settled_on']}, billed in {line['bill_month']:%Y-%m} to account"
        f" {printable(line['owner_uin'])} ({printable(line['component_code'])})"
    )
    unit = price["calls_per_price_unit"]
    for name, cost in (("contract_price", "real_cost"), ("list_price", "list_cost")):
        is_exact = line["calls"] * line[name] == line[cost] * unit
        console.print(
            f"  {cost}: {line['calls']} calls × {line[name]:f} ÷ {unit} = {line[cost]:f} CNY"
            + ("" if is_exact else ", rounded to 8 decimals")
        )
    listed = price["list_price"]
    console.print(
        f"  list price {listed['list_price']:f}: in force from {listed['effective_from']} on, known"
        f" from {listed['known_from']} on (seeds/list_prices.csv)"
    )
    contract = price["contract"]
    if contract is None:
        console.print(f"  no contract covers {line['usage_date']} as known on {price['known_on']}")
    else:
        terms = (
            f"discount {contract['discount']:f}"
            if contract["contract_price"] is None
            else f"agreed price {contract['contract_price']:f}"
        )
        ends = contract["effective_to"]
        console.print(
            f"  contract: {terms}, from {contract['effective_from']} on"
            + (f" until before {ends}" if ends else "")
            + f", known from {contract['settlement_floor']} on: {printable(contract['path'])}"
            f" line {contract['line_number']}"
        )
    calls = facts["calls"]
    console.print(
        table_of(
            f"Calls behind it: {facts['calls_in_all']}",
            ["request id", "called", "by", "record of", "outcome", "file"],
            [
                (
                    *(call["request_id"], call["called_at"], call["operate_uin"]),
                    *(record["settled_on"], _outcome(record), record["path"]),
                )
                for call in calls
                for record in call["records"]
            ],
        )
    )
    if facts["calls_in_all"] > len(calls):
        console.print(f"{facts['calls_in_all'] - len(calls)} more calls; see --limit, --json.")


def show_explained_request(facts: dict[str, Any]) -> None:
    """What became of a call."""
    console = open_console()
    name = printable(facts["request_id"])
    calls = facts["calls"]
    if not (calls or facts["waiting"] or facts["withdrawn"] or facts["rejected"]):
        console.print(f"No record of request {name} was ever loaded.")
        return
    for call in calls:
        console.print(
            f"Request {name} on {call['settled_on']}: {call['disposition']}, usage of"
            f" {call['usage_date']}, account {printable(call['owner_uin'])}"
            + (f": {call['why_not_billed']}" if call["why_not_billed"] else "")
        )
        for line in call.get("lines", ()):
            console.print(
                f"  in line {line['line_id']} of {line['settled_on']}: {line['line_type']},"
                f" {line['calls']} calls at {line['contract_price']:f}"
            )
    records = calls[-1]["records"] if calls else []
    for title, some in (
        ("Its records", records),
        (f"Records that wait, for {facts['through']} is settled only", facts["waiting"]),
    ):
        if some:
            console.print(
                table_of(
                    title,
                    ["settled", "called", "account", "by", "action", "outcome", "file"],
                    [
                        (
                            *(r["settled_on"], r["called_at"], r["owner_uin"], r["operate_uin"]),
                            *(r["action"], _outcome(r), r["path"]),
                        )
                        for r in some
                    ],
                )
            )
    for file in facts["withdrawn"]:
        console.print(
            f"Withdrawn: a record of it in {printable(file['path'])}:"
            f" {printable(file['quarantine_reason'])}"
        )
    for reject in facts["rejected"]:
        console.print(
            f"Rejected: {printable(reject['path'])}:{reject['line_number']} {reject['reason']}"
        )


def _outcome(record: dict[str, Any]) -> str:
    return str(record["error_code"] or f"HTTP {record['http_status']}")


def show_changes(changes: Changes) -> None:
    """From one release to another: what was done, what came in, what the bills say now."""
    console = open_console()
    earlier, later = changes.earlier, changes.later
    console.print(
        f"From release {earlier.run_id} (through {earlier.through})"
        f" to {later.run_id} (through {later.through})"
    )
    for title, columns, rows in (
        (
            "Runs since",
            ["run", "by", "through", "outcome", "#files", "#accepted", "#rejected", "#seconds",
             "steps", "message"],
            [(*row[:8], _steps(row[8]), row[9]) for row in changes.runs],
        ),
        ("Versions, vars and seeds", ["what", "before", "after"], changes.settings),
        (
            "Files loaded, withdrawn or read again",
            ["feed", "file", "arrived", "counts from", ""],
            [
                (
                    *(load.feed, load.path, load.arrived_on, load.settlement_floor),
                    f"withdrawn: {load.quarantine_reason}"
                    if load.quarantine_reason
                    else f"{sum(len(r.line_numbers) for r in load.retries)} lines read again"
                    if load.retries
                    else "",
                )
                for load in changes.loads
            ],
        ),
        ("New lines", ["settled", "line", "#lines", "#calls", "#优惠后总价"], changes.lines),
        (
            "Bills that changed (CNY)",
            ["month", "account", "product", "#calls before", "#after", "#扣费 before", "#after",
             "#difference"],
            [(f"{row[0]:%Y-%m}", *row[1:]) for row in changes.bills],
        ),
    ):  # fmt: skip
        if rows:
            console.print(table_of(title, columns, rows[:_MOST]))
        if len(rows) > _MOST:
            console.print(f"  and {len(rows) - _MOST} more")
    if changes.new_dates:
        console.print(
            f"Settlement dates sealed since: {len(changes.new_dates)},"
            f" {changes.new_dates[0]} to {changes.new_dates[-1]}."
        )
    if changes.changed_tables:
        console.print(f"Tables that say something else: {', '.join(changes.changed_tables)}.")
    if changes.changed_dates:
        days = ", ".join(map(str, changes.changed_dates[:10]))
        console.print(f"Sealed dates that are not what they were: {days}.")
    else:
        console.print("Every date that was sealed says what it said.")


def _steps(step_seconds: str | None) -> str:
    said = json.loads(step_seconds or "{}")
    return " ".join(f"{step} {seconds}" for step, seconds in said.items())
