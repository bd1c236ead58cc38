"""The DuckDB that a task works in: in memory, with its share of the machine."""

from __future__ import annotations

from typing import Any

import duckdb

from callbill.base.settings import Settings
from callbill.base.sql import literal
from callbill.tasks.workers.interface import Workers


def share_of_machine(settings: Settings, workers: Workers) -> dict[str, Any]:
    """What each task may use, as JSON values: its share of this machine, or on others the settings
    as they are, with one thread if they name no number."""
    if workers.is_this_machine:
        return {
            "threads": settings.threads_of_each(workers.count),
            "memory_limit": settings.memory_of_each(workers.count),
        }
    return {"threads": settings.threads or 1, "memory_limit": settings.memory_limit}


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
