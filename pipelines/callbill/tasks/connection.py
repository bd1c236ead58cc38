"""The DuckDB that a task works in: in memory, with its share of the machine."""

from __future__ import annotations

from typing import Any

import duckdb

from callbill.base.settings import Settings
from callbill.base.sql import literal


def share_of_machine(settings: Settings, count: int) -> dict[str, Any]:
    """What each of so many tasks side by side may use, as JSON values."""
    return {
        "threads": settings.threads_of_each(count),
        "memory_limit": settings.memory_of_each(count),
    }


def connect(share: dict[str, Any] | None, spill: str) -> duckdb.DuckDBPyConnection:
    """An empty database. `spill` is the folder for what does not fit into memory."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    con.execute("set preserve_insertion_order = false")
    con.execute("set enable_progress_bar = false")
    con.execute(f"set temp_directory = {literal(spill)}")
    if share is not None:
        con.execute(f"set memory_limit = {literal(share['memory_limit'])}")
        con.execute(f"set threads = {int(share['threads'])}")
    return con
