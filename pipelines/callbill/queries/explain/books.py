"""The current release, which holds the bills, beside the warehouse, which holds the records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from callbill.base.errors import UsageError
from callbill.base.settings import BillingVars, Settings
from callbill.base.sql import literal
from callbill.release.manifest import Manifest
from callbill.release.store import published_by
from callbill.warehouse.warehouse import Parameters, Record, Warehouse


@dataclass(frozen=True)
class Books:
    """An open warehouse with the release attached as `release`, and a view of the release's calls,
    `published_calls`."""

    warehouse: Warehouse
    manifest: Manifest

    @property
    def billing_vars(self) -> BillingVars:
        """The vars that the release was billed with."""
        return BillingVars(**self.manifest.vars)

    def rows(self, query: str, parameters: Parameters | None = None) -> list[Record]:
        return self.warehouse.records(query, parameters)


@contextmanager
def open_books(settings: Settings) -> Iterator[Books]:
    """Open the current release and the warehouse for reading, with times in the billing timezone.

    Raises UsageError if one of them is not there, LockedError while a run has the warehouse.
    """
    release = published_by(settings).require_current()
    if not settings.warehouse.exists():
        raise UsageError(
            f"there is no warehouse {settings.warehouse}, which holds the records; name it with "
            "--warehouse, or make it anew with `callbill rebuild`"
        )
    manifest = release.manifest
    warehouse = Warehouse.open_read_only(settings.warehouse)
    try:
        warehouse.execute(f"set TimeZone = {literal(manifest.vars['billing_timezone'])}")
        release.attach(warehouse.con, "release")
        warehouse.execute(f"create temp view published_calls as from {release.calls}")
        yield Books(warehouse, manifest)
    finally:
        warehouse.con.close()
