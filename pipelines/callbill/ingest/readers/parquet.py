"""Reads Parquet: files of one schema in one statement, with or without their row numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
from callbill.base.errors import CallbillError
from callbill.base.machine import machine_fault
from callbill.base.sql import identifier, literal
from callbill.ingest.readers.columns import check_required, paths_of_columns
from callbill.ingest.readers.field_texts import Column, texts_of_columns
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.relation import Relation
from callbill.ingest.shapes import Shape

Schema = tuple[tuple[str, str], ...]

# Types that have no texts of their own.
_ODD_TYPES = ("STRUCT", "MAP", "JSON", "BOOLEAN", "BLOB", "BIT", "INTERVAL", "UNION")
# Columns that DuckDB adds. A file's own columns of these names would conflict with them.
_ADDED_COLUMNS = {"filename", "file_row_number"}
# A damaged file can claim that a page has gigabytes. No page and no value is that large.
_HUGE_ALLOCATION = re.compile(
    r"allocate data of size ([\d.]+ [GTPE]iB|(25[6-9]|2[6-9]\d|[3-9]\d\d)\b)"
)


def whole_files(shape: Shape, columns: Mapping[str, Column], paths: Sequence[Path]) -> Relation:
    """The records of whole files with the same schema. `columns` are those of `columns_of`."""
    return Relation(
        f"""
        select {texts_of_columns(shape, columns)},
            parse_filename(filename, true) as source_file_id,
            null::bigint as line_number
        from {_read_parquet("filename = true")}
        """,
        {"names": [str(path) for path in paths]},
    )


def rows_of_files(
    shape: Shape, columns: Mapping[str, Column], paths: Sequence[Path], condition: str
) -> Relation:
    """The rows of files with the same schema that meet a condition. `line_number` is the row's
    number in its file, from 1."""
    return Relation(
        f"""
        select * from (
            select {texts_of_columns(shape, columns)},
                parse_filename(filename, true) as source_file_id,
                file_row_number + 1 as line_number
            from {_read_parquet("filename = true", "file_row_number = true")}
        ) where {condition}
        """,
        {"names": [str(path) for path in paths]},
    )


def schema_of(con: duckdb.DuckDBPyConnection, path: Path) -> Schema:
    """Names and types of a file's columns. Raises UnreadableFileError, and CallbillError for a
    fault of the machine."""
    return tuple(_describe(con, path, "*"))


def check_columns(con: duckdb.DuckDBPyConnection, shape: Shape, path: Path) -> None:
    """Raises UnreadableFileError if two columns of a file are one field, or if a required field has
    no column."""
    names = _names_in_schema(con, path)
    paths = paths_of_columns(shape, [".".join(name) for name in names])
    check_required(shape, paths, [name[0] for name in names if len(name) == 1])


def _names_in_schema(con: duckdb.DuckDBPyConnection, path: Path) -> list[tuple[str, ...]]:
    """The names of a file's columns, as the file has them: of a column one name, of a field of a
    struct also those above it. DuckDB itself gives a name that occurs twice another one."""
    try:
        rows = con.execute(
            "select name, num_children from parquet_schema($name)", {"name": str(path)}
        ).fetchall()
    except duckdb.Error as error:
        raise as_unreadable(error, path) from error
    names: list[tuple[str, ...]] = []
    # The structs that the next row lies in: names, and how many fields are still to come.
    above: list[tuple[tuple[str, ...], int]] = []
    for name, children in rows[1:]:
        full_name = (*above[-1][0], name) if above else (name,)
        names.append(full_name)
        if above:
            above[-1] = above[-1][0], above[-1][1] - 1
        above.append((full_name, children or 0))
        while above and above[-1][1] == 0:
            above.pop()
    return names


def columns_of(con: duckdb.DuckDBPyConnection, shape: Shape, path: Path) -> dict[str, Column]:
    """How to refer to each path of the shape: a column of that name, or a field of a struct."""
    columns = {}
    for wanted, references in _references(con, shape, path).items():
        for reference in references:
            try:
                [(_name, type_)] = _describe(con, path, reference)
            except UnreadableFileError:
                continue
            is_text = not (type_.startswith(_ODD_TYPES) or type_.endswith("]"))
            columns[wanted] = Column(reference, is_text)
            break
    return columns


def _references(
    con: duckdb.DuckDBPyConnection, shape: Shape, path: Path
) -> dict[str, Sequence[str]]:
    """SQL that each path of the shape may be in a file."""
    if shape.reading_rules >= 2:
        names = _names_in_schema(con, path)
        paths = paths_of_columns(shape, [".".join(name) for name in names])
        return {
            wanted: [".".join(map(identifier, name))]
            for wanted, name in zip(paths, names, strict=True)
            if wanted is not None
        }
    return {
        wanted: (identifier(wanted), ".".join(map(identifier, wanted.split("."))))
        for wanted in shape.paths_and_parents
    }


def copy_without_added_columns(
    con: duckdb.DuckDBPyConnection, path: Path, schema: Schema, copy: Path
) -> Path:
    """The path of a file without columns that have the names of those that DuckDB adds. No shape
    reads them.

    If it has such columns, this is a copy at `copy`, with the rows in the same order. Raises
    UnreadableFileError.
    """
    names = [name for name, _type in schema if name.lower() in _ADDED_COLUMNS]
    if not names:
        return path
    excluded = ", ".join(map(identifier, names))
    copy.parent.mkdir(exist_ok=True)
    con.execute("set preserve_insertion_order = true")
    try:
        con.execute(
            f"copy (select * exclude ({excluded}) from {_read_parquet()})"
            f" to {literal(str(copy))} (format parquet)",
            {"names": [str(path)]},
        )
    except duckdb.Error as error:
        raise as_unreadable(error, path) from error
    finally:
        con.execute("set preserve_insertion_order = false")
    return copy


def as_unreadable(error: duckdb.Error, path: Path) -> UnreadableFileError:
    """The UnreadableFileError for a file that DuckDB cannot read. Raises CallbillError if the fault
    is the machine's."""
    raise_if_machine_fault(error)
    if "not valid UTF8" in str(error):
        return UnreadableFileError("has a text that is not UTF-8: write it as UTF-8, or as none")
    reason = str(error).splitlines()[0].replace(f'"{path}"', "it").replace(str(path), "it")
    return UnreadableFileError(f"cannot be read as Parquet: {reason}")


def raise_if_machine_fault(error: duckdb.Error) -> None:
    """Raises CallbillError if an error of reading Parquet is a fault of the machine."""
    if _HUGE_ALLOCATION.search(str(error)):
        return
    fault = machine_fault(error)
    if fault is not None:
        raise CallbillError(fault) from error


def _describe(con: duckdb.DuckDBPyConnection, path: Path, what: str) -> list[tuple[str, str]]:
    """Names and types of a select list over a file. Raises UnreadableFileError."""
    try:
        rows = con.execute(
            f"describe select {what} from {_read_parquet()}", {"names": [str(path)]}
        ).fetchall()
    except duckdb.Error as error:
        raise as_unreadable(error, path) from error
    return [(row[0], row[1]) for row in rows]


def _read_parquet(*options: str) -> str:
    always = ("$names", "binary_as_string = true", "hive_partitioning = false")
    return f"read_parquet({', '.join((*always, *options))})"
