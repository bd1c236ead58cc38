"""Parquet: all files of one schema in one statement, or a file row by row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
from callbill.base.errors import CallbillError
from callbill.base.machine import fault_of_machine
from callbill.base.sql import identifier, literal
from callbill.ingest.readers.field_texts import Column, texts_of_columns
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.relation import Relation
from callbill.ingest.shapes import Shape

Schema = tuple[tuple[str, str], ...]

# Types whose text is not a field's text.
_ODD_TYPES = ("STRUCT", "MAP", "JSON", "BOOLEAN", "BLOB", "BIT", "INTERVAL", "UNION")
# Columns that the engine adds to what it reads: a file's own of these names would be in their way.
_ADDED_COLUMNS = {"filename", "file_row_number"}
# A damaged file may say of a page that it takes gigabytes: no page does, nor may a value.
_HUGE_ALLOCATION = re.compile(
    r"allocate data of size ([\d.]+ [GTPE]iB|(25[6-9]|2[6-9]\d|[3-9]\d\d)\b)"
)


def whole_files(shape: Shape, columns: Mapping[str, Column], paths: Sequence[Path]) -> Relation:
    """The records of whole files that have one schema, of which `columns_of` gives `columns`."""
    return Relation(
        f"""
        select {texts_of_columns(shape, columns)},
            parse_filename(filename, true) as source_file_id,
            null::bigint as line_number
        from {_read_parquet("filename = true")}
        """,
        {"names": [str(path) for path in paths]},
    )


def rows_of_file(
    shape: Shape, columns: Mapping[str, Column], path: Path, source_file_id: str, condition: str
) -> Relation:
    """The rows of a file with their numbers, as far as these meet a condition."""
    return Relation(
        f"""
        select * from (
            select {texts_of_columns(shape, columns)},
                {literal(source_file_id)} as source_file_id,
                file_row_number + 1 as line_number
            from {_read_parquet("file_row_number = true")}
        ) where {condition}
        """,
        {"names": [str(path)]},
    )


def schema_of(con: duckdb.DuckDBPyConnection, path: Path) -> Schema:
    """Names and types of a file's columns. Raises UnreadableFileError."""
    return tuple(_describe(con, path, "*"))


def columns_of(con: duckdb.DuckDBPyConnection, shape: Shape, path: Path) -> dict[str, Column]:
    """How to refer to each path that the shape names: a column of that name, or a struct's."""
    columns = {}
    for wanted in shape.paths_and_parents:
        nested = ".".join(identifier(part) for part in wanted.split("."))
        for reference in (identifier(wanted), nested):
            try:
                [(_name, type_)] = _describe(con, path, reference)
            except UnreadableFileError:
                continue
            is_text = not (type_.startswith(_ODD_TYPES) or type_.endswith("]"))
            columns[wanted] = Column(reference, is_text)
            break
    return columns


def without_added_columns(
    con: duckdb.DuckDBPyConnection, path: Path, schema: Schema, copy: Path
) -> Path:
    """A copy of a file, in its order, without columns that nobody maps and that have the names of
    those which the engine adds; the file itself if it has none."""
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
    """What to say of a file that the engine cannot read. Raises CallbillError if that is the
    machine's fault."""
    raise_if_machine_fault(error)
    reason = str(error).splitlines()[0].replace(f'"{path}"', "it").replace(str(path), "it")
    return UnreadableFileError(f"cannot be read as Parquet: {reason}")


def raise_if_machine_fault(error: duckdb.Error) -> None:
    """Raises CallbillError if an error in reading Parquet is the machine's fault."""
    if _HUGE_ALLOCATION.search(str(error)):
        return
    fault = fault_of_machine(error)
    if fault is not None:
        raise CallbillError(fault) from error


def _describe(con: duckdb.DuckDBPyConnection, path: Path, what: str) -> list[tuple[str, str]]:
    """Names and types of what can be selected from a file."""
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
