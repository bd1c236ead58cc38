"""Controls that did not pass, with the rows they found."""

from __future__ import annotations

from rich.console import Console

from callbill.base.errors import ControlFailedError
from callbill.base.findings import ControlResult
from callbill.cli.show.console import open_console, table_of

_MOST_ROWS = 10
WHAT_TO_DO = "What to do: docs/controls.md, or Data Docs on the site"


def show_failed_controls(error: ControlFailedError) -> None:
    """The controls that stopped a run, and rows that are not as they were sealed."""
    console = open_console(stderr=True)
    show_unpassed(console, error.results)
    for difference in error.differences:
        title = f"{difference.table}: rows that differ"
        console.print(table_of(title, difference.columns, difference.rows))


def show_what_to_do(console: Console, results: list[ControlResult]) -> None:
    """Where each control says what to do, if one found something."""
    if not all(result.passed for result in results):
        console.print(WHAT_TO_DO)


def show_unpassed(console: Console, results: list[ControlResult]) -> None:
    for result in results:
        if not result.passed:
            rows = [list(row.values()) for row in result.sample[:_MOST_ROWS]]
            console.print(
                f"{result.severity}: {result.control_id}: {result.sentence}"
                f" Expected {result.expected};"
                f" found {result.unexpected_rows} row(s) otherwise:"
            )
            console.print(table_of("", list(result.sample[0]) if result.sample else [], rows))
            if result.unexpected_rows > len(rows):
                console.print(f"  and {result.unexpected_rows - len(rows)} more")
            if result.by_account:
                title = "By account, those with the most rows"
                console.print(table_of(title, ("account", "#rows"), result.by_account))
    show_what_to_do(console, results)
