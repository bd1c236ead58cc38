"""A release, which holds the bills, beside the warehouse, which holds the records.

The warehouse of a candidate is gone: the bills are all there is to read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import duckdb

from callbill.base.errors import UsageError
from callbill.base.settings import BillingVars, Settings
from callbill.base.sql import literal
from callbill.release.manifest import Manifest
from callbill.release.release import Release
from callbill.release.store import release_to_read
from callbill.warehouse.layout import Layout
from callbill.warehouse.warehouse import Parameters, Record, Warehouse


@dataclass(frozen=True)
class Books:
    """An open warehouse with the release attached as `release`, and a view of the release's calls,
    `published_calls`."""

    warehouse: Warehouse
    manifest: Manifest
    # Not if this is a candidate: its warehouse is gone.
    has_records: bool = True

    @property
    def billing_vars(self) -> BillingVars:
        """The vars that the release was billed with."""
        return BillingVars(**self.manifest.vars)

    def rows(self, query: str, parameters: Parameters | None = None) -> list[Record]:
        return self.warehouse.records(query, parameters)


@contextmanager
def open_books(settings: Settings) -> Iterator[Books]:
    """Open the release that is to be read and the warehouse, with times in the billing timezone. A
    candidate is opened alone.

    Raises UsageError if one of them is not there, LockedError while a run has the warehouse.
    """
    release = release_to_read(settings)
    if settings.candidate is not None:
        with closing(duckdb.connect()) as con:
            alone = Warehouse(con, Layout(settings.warehouse))
            _attach(alone, release)
            yield Books(alone, release.manifest, has_records=False)
        return
    if not settings.warehouse.exists():
        raise UsageError(
            f"there is no warehouse {settings.warehouse}, which holds the records; name it with "
            "--warehouse, or make it anew with `callbill rebuild`"
        )
    warehouse = Warehouse.open_read_only(settings.warehouse)
    try:
        _attach(warehouse, release)
        yield Books(warehouse, release.manifest)
    finally:
        warehouse.con.close()


def _attach(warehouse: Warehouse, release: Release) -> None:
    zone = release.manifest.vars["billing_timezone"]
    warehouse.execute(f"set TimeZone = {literal(zone)}")
    release.attach(warehouse.con, "release")
    warehouse.execute(f"create temp view published_calls as from {release.calls}")
