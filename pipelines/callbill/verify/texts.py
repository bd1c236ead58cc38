"""What landing files say: every line a row of texts, one column a field.

A line that cannot be a record, whatever its fields say, is a row that is `odd`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from callbill.ingest.landing import COMPRESSIONS, KINDS
from callbill.ingest.readers.delimited import csv_records, read_header
from callbill.ingest.readers.json_lines import json_lines
from callbill.ingest.readers.lines import BadLine, Line, UnreadableFileError
from callbill.ingest.readers.unpacking import decompress
from callbill.ingest.shapes import Shape, shape_of
from callbill.warehouse.loads import SourceLoad

ROWS_AT_ONCE = 50_000

# A value of these that is neither text nor number makes its line odd; of the others it has a text
# that nothing can be read from.
_NAMES = {"request_id", "owner_uin", "operate_uin", "action", "region", "error_code"}
_NAMES |= {"component_code"}
_UNREADABLE = "{}"
# Numbers of which no digit may be lost.
_EXACT = {"discount", "contract_price"}

Row = tuple[str | bool | int | None, ...]


def texts_of(path: Path, load: SourceLoad, scratch: Path) -> Iterator[tuple[pl.DataFrame, float]]:
    """A file's rows of texts, some at a time, each time with the part of the file read by then.

    Columns are the feed's fields, `odd`, `has_error` and `line`, its number. A file that cannot be
    read at all has no rows.
    """
    shape = shape_of(load.feed, load.format)
    stem = load.path
    compression = next((suffix for suffix in COMPRESSIONS if stem.endswith(suffix)), "")
    kind = KINDS[Path(stem.removesuffix(compression)).suffix]
    schema: dict[str, pl.DataType] = {
        **dict.fromkeys(shape.feed.fields, pl.String()),
        "odd": pl.Boolean(),
        "has_error": pl.Boolean(),
        "line": pl.Int64(),
    }
    plain = path
    try:
        if compression:
            plain = scratch / "plain"
            decompress(path, compression, plain)
        if kind == "parquet":
            yield from _parquet_texts(plain, shape, schema)
            return
        header = read_header(plain) if kind == "csv" else []
    except (UnreadableFileError, pl.exceptions.PolarsError):
        return
    size = plain.stat().st_size
    with plain.open("rb") as stream:
        rows = (
            _csv_rows(csv_records(stream, header), header, shape)
            if kind == "csv"
            else _json_rows(json_lines(stream), shape)
        )
        while some := list(islice(rows, ROWS_AT_ONCE)):
            # A reader of CSV closes the file that it has read to its end.
            read = size if stream.closed else stream.tell()
            yield pl.DataFrame(some, schema, orient="row"), read / size


# --- JSON lines --------------------------------------------------------------------------------


class _Repeated(dict[str, Any]):
    """An object with keys that occur in it twice."""

    keys_said_twice: set[str]


class _Inexact(str):
    """The text of a number of which digits may be lost."""

    __slots__ = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) == len(pairs):
        return said
    names = [name for name, _ in pairs]
    repeated = _Repeated(said)
    repeated.keys_said_twice = {name for name in names if names.count(name) > 1}
    return repeated


def _fraction(text: str) -> str:
    """A number with a fraction or an exponent, as the nearest binary fraction is written."""
    value = repr(float(text))
    if value.endswith("inf"):
        return _Inexact(text)
    return _Inexact(value) if sum(map(str.isdigit, value)) > 15 else value


def _integer(text: str) -> str:
    return "0" if text == "-0" else text


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_fraction, parse_int=_integer, parse_constant=str
)

# Commas that close a list, and what is no number, are let pass outside of texts.
_LENIENT = re.compile(
    r'(?P<kept>"[^"\\]*(?:\\.[^"\\]*)*"|[\[{,]\s*,)|,(?=\s*[\]}])'
    r"|(?P<constant>-?\b(?:inf|infinity|nan)\b(?!\s*:))",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]')
# No shape looks deeper than this, and the parser cannot.
_DEEP = 200


def parse_object(line: str) -> dict[str, Any] | None:
    """The JSON object in a line, numbers as texts; None if it is none."""
    try:
        try:
            said, end = _DECODER.raw_decode(line)
            if end < len(line):
                said = _DECODER.decode(line)
        except RecursionError:
            said = _DECODER.decode(_shallow(line))
        except ValueError:
            said = _DECODER.decode(_LENIENT.sub(_strict, line))
        if "\\u" in line:
            # A half of a letter is none: it cannot be written down.
            json.dumps(said, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _strict(found: re.Match[str]) -> str:
    if found["kept"]:
        return found["kept"]
    return f'"{found["constant"]}"' if found["constant"] else ""


def _shallow(line: str) -> str:
    """The line without what is nested deeper than any field."""
    kept, depth, start = [], 0, 0
    for bracket in _BRACKETS.finditer(line):
        if bracket[0] in ("[", "{"):
            if depth == _DEEP:
                kept.append(line[start : bracket.start()])
            depth += 1
        elif bracket[0] in ("]", "}"):
            depth -= 1
            if depth == _DEEP:
                kept.append("null")
                start = bracket.end()
    return "".join([*kept, line[start:]])


def _json_rows(found: Iterable[Line | BadLine], shape: Shape) -> Iterator[Row]:
    odd = _odd_row(shape)
    row_of = _object_reader(shape)
    for line in found:
        said = None if isinstance(line, BadLine) else parse_object(line.values[0])
        yield (*((said is not None and row_of(said)) or odd), line.number)


def _object_reader(shape: Shape) -> Callable[[dict[str, Any]], Row | None]:
    """What makes a row of an object, None of one that is odd."""
    fields = [
        (
            [path.rpartition(".")[::2] for path in shape.fields.get(field, ())],
            _nothing(shape, field),
            field in _NAMES,
            field in _EXACT,
        )
        for field in shape.feed.fields
    ]
    parents = [path for path in shape.paths_and_parents if path not in shape.paths]
    # The root is the parent without a name.
    keys: dict[str, set[str]] = {parent: set() for parent in ("", *parents)}
    for path in shape.paths_and_parents:
        parent, _, name = path.rpartition(".")
        keys[parent].add(name)
    errors = _error_parents(shape)

    def row_of(said: dict[str, Any]) -> Row | None:
        objects: dict[str, dict[str, Any]] = {"": said}
        has_error = False
        for parent in parents:
            above, _, name = parent.rpartition(".")
            inner = objects[above].get(name)
            if inner is not None and not isinstance(inner, dict):
                return None
            has_error = has_error or (inner is not None and parent in errors)
            objects[parent] = {} if inner is None else inner
        for parent, one in objects.items():
            if isinstance(one, _Repeated) and one.keys_said_twice & keys[parent]:
                return None
        texts: list[str | bool | None] = []
        for candidates, nothing, is_name, is_exact in fields:
            text = None
            for parent, name in candidates:
                value = objects[parent].get(name)
                if value is None:
                    continue
                if type(value) is not str:
                    if is_exact if isinstance(value, _Inexact) else is_name:
                        return None
                    value = str(value) if isinstance(value, _Inexact) else _UNREADABLE
                if text is None and value not in nothing:
                    text = value
            texts.append(text)
        return _with_implied_status(texts, shape, has_error)

    return row_of


def _nothing(shape: Shape, field: str) -> tuple[str, ...]:
    """The texts that say nothing."""
    return ("", *shape.no_error_codes) if field == "error_code" else ("",)


def _odd_row(shape: Shape) -> Row:
    return (*(None for _ in shape.feed.fields), True, False)


def _with_implied_status(texts: list[str | bool | None], shape: Shape, has_error: bool) -> Row:
    if shape.implied_http_status is not None:
        texts[list(shape.feed.fields).index("http_status")] = str(shape.implied_http_status)
    return (*texts, False, has_error)


# --- CSV and Parquet ---------------------------------------------------------------------------


def _csv_rows(found: Iterable[Line | BadLine], header: list[str], shape: Shape) -> Iterator[Row]:
    fields = shape.feed.fields
    places = {
        field: [header.index(path) for path in shape.fields.get(field, ()) if path in header]
        for field in fields
    }
    errors = [header.index(parent) for parent in _error_parents(shape) if parent in header]
    for line in found:
        if isinstance(line, BadLine):
            yield (*_odd_row(shape), line.number)
            continue
        values = line.values
        texts: list[str | bool | None] = []
        for field, candidates in places.items():
            nothing = _nothing(shape, field)
            said = (values[place] for place in candidates if values[place] not in nothing)
            texts.append(next(said, None))
        row = _with_implied_status(texts, shape, any(values[place] for place in errors))
        yield (*row, line.number)


def _error_parents(shape: Shape) -> set[str]:
    return {path.rpartition(".")[0] for path in shape.fields.get("error_code", ()) if "." in path}


def _parquet_texts(
    path: Path, shape: Shape, schema: Mapping[str, pl.DataType]
) -> Iterator[tuple[pl.DataFrame, float]]:
    rows = pl.scan_parquet(path, hive_partitioning=False, glob=False)
    columns = rows.collect_schema()
    total = rows.select(pl.len()).collect().item()
    texts: dict[str, pl.Expr] = {}
    odd = [pl.lit(False)]
    for field in shape.feed.fields:
        candidates = []
        for wanted in shape.fields.get(field, ()):
            found = _column(wanted, columns)
            if found is None:
                continue
            value, dtype = found
            if dtype.is_nested() or dtype in (pl.Boolean, pl.Duration):
                odd.append(value.is_not_null() if field in _NAMES else pl.lit(False))
                text: pl.Expr = pl.when(value.is_not_null()).then(pl.lit(_UNREADABLE))
            else:
                text = _as_text(value, dtype)
            candidates.append(pl.when(~text.is_in(_nothing(shape, field))).then(text))
        texts[field] = pl.coalesce(candidates) if candidates else pl.lit(None, pl.String())
    if shape.implied_http_status is not None:
        texts["http_status"] = pl.lit(str(shape.implied_http_status))
    errors = [pl.lit(False)]
    for parent in _error_parents(shape):
        if (found := _column(parent, columns)) is not None:
            value, dtype = found
            errors.append(value != "" if dtype == pl.String else value.is_not_null())
    read = 0
    for some in rows.select(
        **texts,
        odd=pl.any_horizontal(odd),
        has_error=pl.any_horizontal(errors).fill_null(False),
        line=pl.int_range(1, pl.len() + 1),
    ).collect_batches(chunk_size=ROWS_AT_ONCE, maintain_order=True):
        read += len(some)
        yield some.cast(pl.Schema(schema)), read / total


def _column(wanted: str, columns: pl.Schema) -> tuple[pl.Expr, pl.DataType] | None:
    """A column of that name, or a struct's field; names count without regard to case."""
    name = _name_like(wanted, list(columns))
    if name is not None:
        return pl.col(name), columns[name]
    first, *rest = wanted.split(".")
    if not rest or (name := _name_like(first, list(columns))) is None:
        return None
    value, dtype = pl.col(name), columns[name]
    for part in rest:
        fields = {f.name: f.dtype for f in dtype.fields} if isinstance(dtype, pl.Struct) else {}
        if (name := _name_like(part, list(fields))) is None:
            return None
        value, dtype = value.struct.field(name), fields[name]  # type: ignore[assignment]
    return value, dtype


def _name_like(wanted: str, names: list[str]) -> str | None:
    alike = [name for name in names if name.lower() == wanted.lower()]
    return wanted if wanted in alike else next(iter(alike), None)


def _as_text(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return value.dt.to_string("%Y-%m-%d %H:%M:%S%.f")
        return value.dt.convert_time_zone("UTC").dt.to_string("%Y-%m-%d %H:%M:%S%.f+00")
    return value.cast(pl.String, strict=False)
