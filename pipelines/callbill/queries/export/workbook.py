"""A workbook of Excel in which money is a number and text is text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import duckdb

from callbill.base.errors import UsageError
from callbill.base.text import printable
from callbill.queries.export.cells import as_text, is_formula

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.cell.cell import Cell
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

# A spreadsheet's numbers lose the digits after these.
_SIGNIFICANT_DIGITS = 15
_MOST_ROWS = 1_048_576
_MOST_CHARACTERS = 32_767
_ROWS_AT_ONCE = 10_000


def write_workbook(con: duckdb.DuckDBPyConnection, queries: Mapping[str, str], path: Path) -> None:
    """Write each query's rows into a sheet of its name.

    Numbers have the decimals of their type; those of more than 15 digits are texts. Raises
    UsageError if a sheet cannot hold the rows, or a cell a text.
    """
    from openpyxl import Workbook

    workbook = Workbook(write_only=True)
    for name, query in queries.items():
        sheet = workbook.create_sheet(name)
        result = con.execute(query)
        names = [column[0] for column in result.description or ()]
        rows = result.fetchmany(_ROWS_AT_ONCE)
        for n, column in enumerate(names):
            # A Chinese character is as wide as two digits.
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
            rows = result.fetchmany(_ROWS_AT_ONCE)
        _prepare_for_paper(sheet, f"A1:{_letters(len(names) - 1)}{written}")
    _save(workbook, path)


def _prepare_for_paper(sheet: Any, cells: str) -> None:
    """Filters over the headings; on paper as wide as the page, with the headings on each."""
    sheet.auto_filter.ref = cells
    sheet.print_title_rows = "1:1"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = 9  # A4
    sheet.page_setup.fitToWidth = 1
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.oddFooter.right.text = "&P / &N"


# A fixed date in place of the time of writing: the same rows then give the same bytes.
_MADE = datetime(2000, 1, 1)  # noqa: DTZ001


def _save(workbook: Workbook, path: Path) -> None:
    """Save a workbook without the time of writing, in it and in its archive."""
    from openpyxl.packaging.core import DocumentProperties
    from openpyxl.writer.excel import ExcelWriter

    class Undated(DocumentProperties):
        """Properties that keep their date when the workbook is saved."""

        def to_tree(self, *arguments: Any, **options: Any) -> Any:
            self.created = self.modified = _MADE
            return super().to_tree(*arguments, **options)

    class Archive(ZipFile):
        def writestr(self, zinfo_or_arcname: Any, data: Any, *_: Any, **__: Any) -> None:
            super().writestr(_undated(zinfo_or_arcname), data)

        def write(self, filename: Any, arcname: Any = None, *_: Any, **__: Any) -> None:
            member = self.open(_undated(arcname), "w", force_zip64=True)
            with Path(filename).open("rb") as source, member as target:
                copyfileobj(source, target)

    workbook.properties = Undated()
    with Archive(path, "w", ZIP_DEFLATED, allowZip64=True) as archive:
        ExcelWriter(workbook, archive).write_data()


def _undated(name: str) -> ZipInfo:
    member = ZipInfo(name, _MADE.timetuple()[:6])
    member.compress_type = ZIP_DEFLATED
    return member


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
    """A cell that stays text, even if it looks like a formula. Characters that no workbook may hold
    are escaped."""
    from openpyxl.cell import WriteOnlyCell

    shown = printable(text)
    if len(shown) > _MOST_CHARACTERS:
        raise UsageError(
            f"a cell cannot hold the {len(shown)} characters of a text: export as csv or parquet"
        )
    cell = WriteOnlyCell(sheet, shown)
    cell.data_type = "s"
    if is_formula(text):
        cell.quotePrefix = True  # stays text when somebody edits it
    return cell
