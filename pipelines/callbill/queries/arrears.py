"""The accounts that owe money, as the current release has them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

import duckdb

from callbill.base.settings import Settings
from callbill.base.sql import literal
from callbill.release.release import Release
from callbill.release.store import release_to_read

_NOTICES = """
    select
        owner_uin, state, amount_due, strftime(since, '%Y-%m-%d %H:%M'),
        strftime(stops_at, '%Y-%m-%d %H:%M')
    from billing.arrears_notices
    order by stops_at, owner_uin
"""


@dataclass(frozen=True)
class Arrears:
    """Notices of accounts in arrears, in times of the billing timezone, as the accounts' holders
    read them."""

    billing_timezone: str
    notices: list[tuple[Any, ...]]


def load_arrears(settings: Settings) -> Arrears:
    """Those of the current release. Raises UsageError if there is none."""
    release = release_to_read(settings)
    with closing(release.open()) as con:
        return arrears_of(release, con)


def arrears_of(release: Release, con: duckdb.DuckDBPyConnection) -> Arrears:
    """Those of a release that is open."""
    zone = release.manifest.vars["billing_timezone"]
    con.execute(f"set TimeZone = {literal(zone)}")
    return Arrears(zone, con.execute(_NOTICES).fetchall())
