"""A workbook in which money is a number, and text is text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from pipelines.errors import UsageError
from pipelines.export.cells import as_text, is_formula
from pipelines.text import printable

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

# Beyond them a spreadsheet's numbers lose digits.
_SIGNIFICANT_DIGITS = 15
_MOST_ROWS = 1_048_576
_ROWS_AT_ONCE = 10_000


def write_workbook(con: duckdb.DuckDBPyConnection, queries: Mapping[str, str], path: Path) -> None:
    """Write each query's rows into a sheet of its name.

    Numbers have the decimals of their type; those of more than 15 digits are texts. Raises
    UsageError if a sheet cannot hold the rows.
    """
    from openpyxl import Workbook

    workbook = Workbook(write_only=True)
    # A file says what it holds, not when it was made.
    workbook.properties.created = workbook.properties.modified = datetime(2000, 1, 1)  # noqa: DTZ001
    for name, query in queries.items():
        sheet = workbook.create_sheet(name)
        found = con.execute(query)
        names = [column[0] for column in found.description or ()]
        rows = found.fetchmany(_ROWS_AT_ONCE)
        for n, column in enumerate(names):
            widest = max([2 * len(column), *(len(as_text(row[n])) for row in rows)])
            sheet.column_dimensions[_letters(n)].width = min(widest + 2, 60)
        sheet.freeze_panes = "A2"
        sheet.append([_heading(sheet, column) for column in names])
        written = 1
        while rows:
            written += len(rows)
            if written > _MOST_ROWS:
                raise UsageError(
                    f"sheet {name} cannot hold more than {_MOST_ROWS} rows: export one account at "
                    "a time (--owner), or as csv or parquet"
                )
            for row in rows:
                sheet.append([_cell(sheet, value) for value in row])
            rows = found.fetchmany(_ROWS_AT_ONCE)
    workbook.save(path)


def _letters(n: int) -> str:
    from openpyxl.utils import get_column_letter

    return get_column_letter(n + 1)


def _heading(sheet: WriteOnlyWorksheet, text: str) -> Cell:
    from openpyxl.styles import Font

    cell = _text_cell(sheet, text)
    cell.font = Font(bold=True)
    return cell


def _cell(sheet: WriteOnlyWorksheet, value: object) -> Cell | None:
    from openpyxl.cell import WriteOnlyCell

    if value is None:
        return None
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        decimals = -exponent if isinstance(exponent, int) else 0
        significant = "".join(map(str, value.as_tuple().digits)).strip("0")
        if len(significant) > _SIGNIFICANT_DIGITS:
            return _text_cell(sheet, as_text(value))
        cell = WriteOnlyCell(sheet, value)  # type: ignore[arg-type]
        cell.number_format = f"0.{'0' * decimals}" if decimals else "0"
        return cell
    if isinstance(value, datetime) and value.tzinfo is None:
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = "yyyy-mm-dd hh:mm:ss"
        return cell
    if isinstance(value, date) and not isinstance(value, datetime):
        cell = WriteOnlyCell(sheet, value)  # type: ignore[arg-type]
        cell.number_format = "yyyy-mm-dd"
        return cell
    if isinstance(value, int):
        return WriteOnlyCell(sheet, value)
    return _text_cell(sheet, as_text(value))


def _text_cell(sheet: WriteOnlyWorksheet, text: str) -> Cell:
    """A text, also where it looks like a formula; characters that no workbook may hold are
    escaped."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, printable(text))
    cell.data_type = "s"
    if is_formula(text):
        cell.quotePrefix = True  # stays text when somebody edits it
    return cell
