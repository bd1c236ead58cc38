"""Reads a workbook (.xlsx): writes the sheet that has the feed's columns as CSV.

A row of the sheet is a line of the CSV, also a blank one, so that lines have the sheet's numbers.
"""

from __future__ import annotations

import csv
import datetime as dt
import errno
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

from callbill.ingest.readers.csv_layout import is_header
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.shapes import Shape

# Of all sheets and texts together, unpacked. A bill of a million lines has less.
_MAX_BYTES = 2 * 2**30
# The header is looked for in so many rows.
_FIRST_ROWS = 50
# What zipfile and openpyxl raise of files that are damaged, encrypted or none.
_FAULTS = (
    zipfile.BadZipFile, zlib.error, ParseError, ArithmeticError, AttributeError, EOFError,
    LookupError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


def sheet_as_csv(path: Path, shape: Shape, target: Path) -> Path:
    """Write the sheet whose first rows have a header of the feed as CSV.

    Raises UnreadableFileError if the file is no workbook, or if not exactly one sheet has such a
    header.
    """
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            # Of styles, print areas and the like, which no figure depends on.
            warnings.simplefilter("ignore")
            _write_sheet(file, shape, target)
    except _FAULTS as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # a full disk is no fault of the file
        raise UnreadableFileError(
            f"is no workbook that can be read ({error}): save it as .xlsx or .csv again"
        ) from error
    return target


def _write_sheet(file: BinaryIO, shape: Shape, target: Path) -> None:
    """`file` is a stream, because openpyxl refuses files by their names, and a workbook from a .zip
    has a name of ours."""
    import openpyxl  # here, because few files need it

    with zipfile.ZipFile(file) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _MAX_BYTES:
            raise UnreadableFileError(f"is a workbook of more than {_MAX_BYTES >> 30} GiB")
    with closing(openpyxl.load_workbook(file, read_only=True, data_only=True)) as book:
        fitting = [sheet for sheet in book.worksheets if _header(sheet, shape)]
        if len(fitting) != 1:
            names = ", ".join(sheet.title for sheet in fitting or book.worksheets)
            which = "several sheets" if fitting else "no sheet"
            raise UnreadableFileError(
                f"has {which} with the columns of its feed ({names}): leave one, with its header "
                f"among the first {_FIRST_ROWS} rows"
            )
        with target.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            columns = len(_header(fitting[0], shape) or ())
            for row in _rows(fitting[0]):
                # A row ends where its last value is.
                values = row + [""] * (columns - len(row))
                if any(values):
                    writer.writerow(values)
                else:
                    stream.write("\n")


def _header(sheet: Any, shape: Shape) -> list[str] | None:
    return next((row for row in _rows(sheet, _FIRST_ROWS) if is_header(row, shape)), None)


def _rows(sheet: Any, most: int | None = None) -> Iterator[list[str]]:
    """The rows from the first on, as texts up to the last that is not empty."""
    sheet.reset_dimensions()
    for row in sheet.iter_rows(max_row=most, values_only=True):
        texts = [_text_of(value) for value in row]
        while texts and not texts[-1]:
            texts.pop()
        yield texts


def _text_of(value: Any) -> str:
    """A cell as the text that its writer meant. A number is the shortest that gives its binary
    fraction."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = repr(value)
        return text.removesuffix(".0") if "e" not in text else text
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    return re.sub(r"[\r\n]+", " ", str(value))
