"""Which database answers a question."""

from __future__ import annotations

import duckdb

from callbill.base.errors import LockedError
from callbill.base.settings import Settings
from callbill.release.store import release_to_read
from callbill.warehouse.warehouse import Warehouse


def open_release(settings: Settings) -> duckdb.DuckDBPyConnection:
    """The release or candidate that a command reads. Raises UsageError if there is none."""
    return release_to_read(settings).open()


def open_warehouse_or_release(settings: Settings) -> duckdb.DuckDBPyConnection:
    """The warehouse, for reading. While a run has it or it is lost, the current release, which
    knows all that was done up to its own run. A candidate is made of a copy of the warehouse that
    is gone, and knows what was done in it."""
    if settings.candidate is not None or not settings.warehouse.exists():
        return open_release(settings)
    try:
        con = Warehouse.open_read_only(settings.warehouse).con
    except LockedError:
        return open_release(settings)
    con.execute("set TimeZone = 'UTC'")
    return con
