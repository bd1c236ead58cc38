"""CSV in UTF-8. Spreadsheets and the vendor's own readers expect a byte order mark; programs that
read FOCUS take it for a part of the first column's name."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb

from callbill.queries.export.cells import as_text, is_formula

_ROWS_AT_ONCE = 10_000


def write_csv(con: duckdb.DuckDBPyConnection, query: str, path: Path, *, is_marked: bool) -> None:
    """Write a query's rows. Texts that a spreadsheet would take for a formula begin with `'`."""
    with path.open("w", encoding="utf-8-sig" if is_marked else "utf-8", newline="") as stream:
        writer = csv.writer(stream)
        result = con.execute(query)
        writer.writerow(column[0] for column in result.description or ())
        while rows := result.fetchmany(_ROWS_AT_ONCE):
            writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: object) -> str:
    if isinstance(value, str) and is_formula(value):
        return f"'{value}"
    return as_text(value)
