"""The accounts that owe money."""

from __future__ import annotations

from rich.table import Table

from callbill.cli.show.console import open_console, table_of
from callbill.queries.arrears import Arrears

_COLUMNS = ("account", "state", "#欠费 due (CNY)", "since", "service stops")


def show_arrears(arrears: Arrears) -> None:
    open_console().print(arrears_table(arrears) if arrears.notices else "No account is in arrears.")


def arrears_table(arrears: Arrears) -> Table:
    title = f"Accounts in arrears (times of {arrears.billing_timezone})"
    return table_of(title, _COLUMNS, arrears.notices)
