"""The site of one account: its pages, and nothing of anyone else's."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

import duckdb

from callbill.base.errors import UsageError
from callbill.base.settings import Settings
from callbill.base.sql import literal
from callbill.release.release import Release
from callbill.release.site.data import write_data
from callbill.release.site.pages import Facts, write_pages
from callbill.release.store import release_to_read

# What the pages read. Each of these tables is of an account by its column `owner_uin`.
_TABLES = (
    *(
        "accounts",
        "monthly_bills",
        "contracts",
        "package_balances",
        "bill_lines",
        "settlements",
        "precision_adjustments",
    ),
    *("daily_usage", "cost_allocation", "account_ledger", "service_status", "account_arrears"),
    *("arrears_notices", "reconciliation", "vendor_bill_lines"),
)
_SEEDS = ("components", "products", "focus_services")


def export_site(settings: Settings, owner: str, folder: Path) -> Path:
    """Write the pages of an account into a folder that appears as a whole. Returns the folder.

    Raises UsageError if the release does not know the account, or the folder cannot be written.
    """
    release = release_to_read(settings)
    with closing(duckdb.connect()) as con:
        _create_views(con, release, owner)
        if not con.execute("select 1 from billing.accounts").fetchall():
            raise UsageError(f"release {release.run_id} knows no account {owner}")
        manifest = release.manifest
        facts = Facts(
            release.run_id,
            manifest.through,
            manifest.vars["billing_timezone"],
            manifest.vars["deduction_rounding"],
            customer=owner,
            issuer=settings.issuer,
        )
        part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
        try:
            part.mkdir(parents=True)
        except OSError as error:
            raise UsageError(f"{folder.parent} cannot be written to: {error.strerror}") from error
        try:
            write_pages(con, facts, part, write_data(con, facts.zone, part))
            if folder.exists():
                shutil.rmtree(folder)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _create_views(con: duckdb.DuckDBPyConnection, release: Release, owner: str) -> None:
    """Create the release's tables as views of one account's rows."""
    con.execute(f"attach {literal(str(release.database))} as release (read_only)")
    known = {
        row[0]
        for row in con.execute(
            "select table_name from duckdb_tables()"
            " where database_name = 'release' and schema_name in ('billing', 'seeds')"
        ).fetchall()
    }
    if "accounts" not in known or "cost_allocation" not in known:
        raise UsageError(
            f"release {release.run_id} was published by a callbill before 0.7: its next run "
            "publishes what the pages need"
        )
    con.execute("create schema billing")
    con.execute("create schema seeds")
    for table in _TABLES:
        con.execute(
            f"create view billing.{table} as from release.billing.{table}"
            f" where owner_uin = {literal(owner)}"
        )
    for table in _SEEDS:
        con.execute(f"create view seeds.{table} as from release.seeds.{table}")
    con.execute(
        f"""
        create view seeds.account_names as from release.seeds.account_names
        where account_uin = {literal(owner)}
            or account_uin in (select operate_uin from billing.daily_usage)
        """
    )
