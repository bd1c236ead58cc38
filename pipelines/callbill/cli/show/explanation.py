"""Why a bill line is what it is, and what became of a call."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import click
from rich.console import Console

from callbill.base.text import printable
from callbill.cli.show.console import open_console, table_of

Facts = dict[str, Any]


def show_as_json(facts: Facts) -> None:
    click.echo(json.dumps(facts, indent=1, default=_json_text, ensure_ascii=False))


def _json_text(value: object) -> str:
    """Money in plain digits, instants with their offset."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def show_explained_line(facts: Facts) -> None:
    """A bill line down to the records behind it."""
    console = open_console()
    line, calls = facts["line"], facts["calls"]
    console.print(
        f"Line {line['line_id']}: {line['line_type']} of {line['usage_date']}, settled on"
        f" {line['settled_on']}, billed in {line['bill_month']:%Y-%m} to account"
        f" {printable(line['owner_uin'])} ({printable(line['component_code'])})"
    )
    _show_price(console, line, facts["price"])
    if not facts["has_records"]:
        _show_calls_alone(console, facts)
        return
    console.print(
        table_of(
            f"Calls behind it: {facts['calls_in_all']}"
            + (
                f", of which the line has {abs(line['calls'])}"
                if facts["calls_in_all"] != abs(line["calls"])
                else ""
            ),
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


_WITHOUT_RECORDS = (
    "The records behind it, and where its prices come from, are known once the candidate is sealed"
    " and the next run has ended."
)


def _show_calls_alone(console: Console, facts: Facts) -> None:
    calls = facts["calls"]
    console.print(
        table_of(
            f"Calls behind it: {facts['calls_in_all']}",
            ["request id", "called", "by"],
            [(call["request_id"], call["called_at"], call["operate_uin"]) for call in calls],
        )
    )
    if facts["calls_in_all"] > len(calls):
        console.print(f"{facts['calls_in_all'] - len(calls)} more calls; see --limit, --json.")
    console.print(_WITHOUT_RECORDS)


def _show_price(console: Console, line: Facts, price: Facts) -> None:
    """How the line's costs are computed, and where its list price and contract come from."""
    unit = price["calls_per_price_unit"]
    for price_name, cost_name in (("contract_price", "real_cost"), ("list_price", "list_cost")):
        is_exact = line["calls"] * line[price_name] == line[cost_name] * unit
        console.print(
            f"  {cost_name}: {line['calls']} calls × {line[price_name]:f} ÷ {unit}"
            f" = {line[cost_name]:f} CNY" + ("" if is_exact else ", rounded to 8 decimals")
        )
    if line.get("package_id"):
        console.print(
            f"  drawn from package {printable(line['package_id'])}, which was paid for when it was"
            " bought"
        )
        return
    list_price = price["list_price"]
    if list_price is None:
        return
    if line.get("tier_from") is not None:
        console.print(
            f"  the step after {line['tier_from']} calls, counted by {list_price['tier_period']}"
        )
    if line.get("waiver_id"):
        console.print(
            f"  waiver {printable(line['waiver_id'])}: {printable(line['waiver_reason'])}"
        )
    console.print(
        f"  list price {list_price['list_price']:f}: in force from {list_price['effective_from']}"
        f" on, known from {list_price['known_from']} on (catalogue/list_prices.csv)"
    )
    contract = price["contract"]
    if contract is None:
        console.print(f"  no contract covers {line['usage_date']} as known on {price['known_on']}")
        return
    terms = (
        f"discount {contract['discount']:f}"
        if contract["contract_price"] is None
        else f"agreed price {contract['contract_price']:f}"
    )
    until = f" until before {contract['effective_to']}" if contract["effective_to"] else ""
    console.print(
        f"  contract: {terms}, from {contract['effective_from']} on{until},"
        f" known from {contract['settlement_floor']} on: {printable(contract['path'])}"
        f" line {contract['line_number']}"
    )


def show_explained_request(facts: Facts) -> None:
    """What became of a call."""
    console = open_console()
    name, calls = printable(facts["request_id"]), facts["calls"]
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
    if not facts["has_records"]:
        console.print(_WITHOUT_RECORDS)
    if calls:
        _show_records(console, "Its records", calls[-1]["records"])
    title = f"Records that wait, for {facts['through']} is settled only"
    _show_records(console, title, facts["waiting"])
    for file in facts["withdrawn"]:
        console.print(
            f"Withdrawn: a record of it in {printable(file['path'])}:"
            f" {printable(file['quarantine_reason'])}"
        )
    for reject in facts["rejected"]:
        console.print(
            f"Rejected: {printable(reject['path'])}:{reject['line_number']} {reject['reason']}"
        )


def _show_records(console: Console, title: str, records: list[Facts]) -> None:
    if records:
        console.print(
            table_of(
                title,
                ["settled", "called", "account", "by", "action", "outcome", "file"],
                [
                    (
                        *(r["settled_on"], r["called_at"], r["owner_uin"], r["operate_uin"]),
                        *(r["action"], _outcome(r), r["path"]),
                    )
                    for r in records
                ],
            )
        )


def _outcome(record: Facts) -> str:
    return str(record["error_code"] or f"HTTP {record['http_status']}")
