"""Rows as the pages show them."""

from __future__ import annotations

from typing import Any

import duckdb


def rows_of(
    con: duckdb.DuckDBPyConnection, query: str, values: dict[str, object] | None = None
) -> list[dict[str, Any]]:
    """Rows with their values as texts, so that no digit is lost on the way; truth as truth."""
    result = con.execute(query, values) if values else con.execute(query)
    names = [column[0] for column in result.description]
    return [dict(zip(names, map(_shown, row), strict=True)) for row in result.fetchall()]


def _shown(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    return f"{value:f}" if hasattr(value, "as_tuple") else str(value)
