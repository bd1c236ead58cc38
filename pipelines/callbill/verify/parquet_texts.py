"""Rows of a Parquet file as rows of texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import polars as pl

from callbill.ingest.shapes import Shape, parts_of
from callbill.verify.identifiers import name_rule, says_zero
from callbill.verify.rows import UNREADABLE, code_paths, emptiness, error_parents, names_something


def parquet_texts(
    path: Path, shape: Shape, schema: Mapping[str, pl.DataType], rows_at_once: int
) -> Iterator[tuple[pl.DataFrame, float]]:
    """The rows, some at a time, each time with the part of the file read by then."""
    rows = pl.scan_parquet(path, hive_partitioning=False, glob=False)
    columns = rows.collect_schema()
    as_matched = name_rule(shape)
    total = rows.select(pl.len()).collect().item()
    texts: dict[str, pl.Expr] = {}
    malformed = [pl.lit(False)]
    for field in shape.feed.fields:
        candidates = []
        for name in shape.fields.get(field, ()):
            column = _find_column(name, columns, as_matched)
            if column is None:
                continue
            value, dtype = column
            if dtype.is_nested() or dtype in (pl.Boolean, pl.Duration):
                if names_something(field):
                    malformed.append(value.is_not_null())
                text: pl.Expr = pl.when(value.is_not_null()).then(pl.lit(UNREADABLE))
            else:
                text = _as_text(value, dtype)
            candidates.append(pl.when(~_is_empty(text, shape, field)).then(text))
        texts[field] = pl.coalesce(candidates) if candidates else pl.lit(None, pl.String())
    for name, constant in shape.constants.items():
        texts[name] = pl.coalesce(texts[name], pl.lit(constant))
    errors = [pl.lit(False)]
    for parent in error_parents(shape):
        if (column := _find_column(parent, columns, as_matched)) is not None:
            value, dtype = column
            error = value != "" if dtype == pl.String else value.is_not_null()
            code = _find_column(code_paths(shape)[parent], columns, as_matched)
            if shape.reading_rules >= 2 and code is not None:
                error &= ~_as_text(*code).map_elements(
                    lambda text: says_zero(text, shape), return_dtype=pl.Boolean
                ).fill_null(False)
            errors.append(error)
    rows_read = 0
    for part in rows.select(
        **texts,
        malformed=pl.any_horizontal(malformed),
        has_error=pl.any_horizontal(errors).fill_null(False),
        line=pl.int_range(1, pl.len() + 1),
    ).collect_batches(chunk_size=rows_at_once, maintain_order=True):
        rows_read += len(part)
        yield part.cast(pl.Schema(schema)), rows_read / total


def _is_empty(text: pl.Expr, shape: Shape, field: str) -> pl.Expr:
    is_empty = emptiness(shape, field)
    if field != "error_code":
        return text == ""
    return text.map_elements(is_empty, return_dtype=pl.Boolean)


def _find_column(
    path: str, columns: pl.Schema, as_matched: Callable[[str], str]
) -> tuple[pl.Expr, pl.DataType] | None:
    """A column of that name, or a struct's field. Names count without regard to case."""
    name = _name_like(path.replace("\\.", "."), list(columns), as_matched)
    if name is not None:
        return pl.col(name), columns[name]
    first, *rest = parts_of(path)
    if not rest or (name := _name_like(first, list(columns), as_matched)) is None:
        return None
    value, dtype = pl.col(name), columns[name]
    for part in rest:
        fields = {f.name: f.dtype for f in dtype.fields} if isinstance(dtype, pl.Struct) else {}
        if (name := _name_like(part, list(fields), as_matched)) is None:
            return None
        value, dtype = value.struct.field(name), fields[name]  # type: ignore[assignment]
    return value, dtype


def _name_like(wanted: str, names: list[str], as_matched: Callable[[str], str]) -> str | None:
    """The name itself if it is there, otherwise the first that is matched like it."""
    alike = [name for name in names if as_matched(name) == wanted.lower()]
    return wanted if wanted in alike else next(iter(alike), None)


def _as_text(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return value.dt.to_string("%Y-%m-%d %H:%M:%S%.f")
        return value.dt.convert_time_zone("UTC").dt.to_string("%Y-%m-%d %H:%M:%S%.f+00")
    return value.cast(pl.String, strict=False)
