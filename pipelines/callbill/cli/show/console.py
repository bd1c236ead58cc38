"""How commands print: plain text and tables, on terminals of any width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callbill.base.text import printable

# Wide enough for any row. A narrower terminal wraps rows, which is better than digits left out.
_LEAST_WIDTH = 500


def open_console(*, stderr: bool = False) -> Console:
    """Where a command prints. Text is shown as it is, without markup."""
    console = Console(highlight=False, markup=False, stderr=stderr)
    if console.width < _LEAST_WIDTH:
        console.width = _LEAST_WIDTH
    return console


def narrow_table_of(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table with as little between its columns as can be read. The last row has totals."""
    table = table_of(title, columns, rows[:-1])
    table.box, table.padding, table.pad_edge = None, (0, 1, 0, 0), False
    table.add_row(*(Text(printable(value)) for value in rows[-1]), style="bold")
    return table


def table_of(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table with numbers to the right; a column that begins with `#` is a number."""
    table = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left")
    for column in columns:
        if column.startswith("#"):
            table.add_column(Text(column[1:]), justify="right", no_wrap=True)
        else:
            table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(value)) for value in row))
    return table
