"""What changed between two releases."""

from __future__ import annotations

import json

from callbill.cli.show.console import open_console, table_of
from callbill.queries.changes import Changes
from callbill.warehouse.loads import SourceLoad

_MOST_ROWS = 30


def show_changes(changes: Changes) -> None:
    """From the earlier release to the later: runs, files, settings, lines and bills."""
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
            [(*row[:8], _step_times(row[8]), row[9]) for row in changes.runs],
        ),
        ("Versions, vars and seeds", ["what", "before", "after"], changes.settings),
        (
            "Files loaded, withdrawn or read again",
            ["feed", "file", "arrived", "counts from", ""],
            [
                (
                    *(load.feed, load.path, load.arrived_on, load.settlement_floor),
                    _correction_of(load),
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
            console.print(table_of(title, columns, rows[:_MOST_ROWS]))
        if len(rows) > _MOST_ROWS:
            console.print(f"  and {len(rows) - _MOST_ROWS} more")
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


def _correction_of(load: SourceLoad) -> str:
    if load.quarantine_reason:
        return f"withdrawn: {load.quarantine_reason}"
    lines = sum(len(retry.line_numbers) for retry in load.retries)
    return f"{lines} lines read again" if load.retries else ""


def _step_times(step_seconds: str | None) -> str:
    times = json.loads(step_seconds or "{}")
    return " ".join(f"{step} {seconds}" for step, seconds in times.items())
