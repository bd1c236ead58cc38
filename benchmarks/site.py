"""`make bench-site`: what the pages of many accounts cost a night, and how soon a page is there.

The job bills a thousand accounts with little usage, a call an account and month, and then a night
that changes some of them. The site of many accounts is written from the same marts, each account
many times under other numbers: what is measured is the pages.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from benchmarks.measure import timed

LAST_MONTH = date(2026, 9, 1)
# Accounts that the job bills, and how many of them the night changes.
BILLED, NIGHT = 1_000, 100
# Pages by name: address, what must be there. `{owner}` is an account in the middle of them all.
PAGES = {
    "overview": ("index.html", "#months-chart[style]"),
    "bills": ("bills.html", "#table-bills tbody tr"),
    "accounts": ("accounts.html", "#table-accounts tbody tr"),
    "search": ("accounts.html#account={owner}", "#table-accounts tbody tr"),
    "account": ("account.html#owner={owner}", "#table-months tbody tr"),
    "bill": ("bill.html#owner={owner}&month=2026-09", ".head .big"),
    "reconciliation": ("reconciliation.html", "h1"),
}
_CALLS = """
    select
        'call ' || n || ' ' || m as request_id,
        strftime(month + to_days((hash(n, m) % 28)::int), '%Y-%m-%dT12:00:00+08:00') as called_at,
        (100000000000 + n)::varchar as owner_uin,
        'SearchByText' as action,
        200 as http_status,
        strftime(month + to_days((hash(n, m) % 28)::int + 1), '%Y-%m-%d') as arrived_on
    from range($accounts) as accounts (n), range($months) as months (m),
        lateral (select $last::date - to_months(m::int) as month)
"""
_NIGHT = """
    select
        'night ' || n as request_id, $day || 'T12:00:00+08:00' as called_at,
        (100000000000 + n * $every)::varchar as owner_uin, 'SearchByText' as action,
        200 as http_status
    from range($accounts) as accounts (n)
"""


def site(folder: Path, accounts: int, months: int) -> list[dict[str, Any]]:
    """A tenth of the accounts, and all of them: what does not grow shows beside what does."""
    place = folder / f"site-{months}"
    settled = LAST_MONTH + timedelta(days=28)
    history, night = place / "history", place / "night"
    if not (night / "published" / "current").exists():
        shutil.rmtree(place, ignore_errors=True)
        _land(place / "landing", months, settled)
        _run(place, history, settled)
        shutil.copytree(history, night, symlinks=True, copy_function=_link)
        _run(place, night, settled + timedelta(days=1))
    return [_site(place, count, months) for count in (accounts // 10, accounts)]


def _site(place: Path, accounts: int, months: int) -> dict[str, Any]:
    from callbill.base.settings import Settings, load_vars
    from callbill.release.release import Release
    from callbill.release.site import write_site
    from callbill.warehouse.layout import Layout
    from callbill.warehouse.warehouse import Warehouse

    scratch = place / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    through = LAST_MONTH + timedelta(days=29)
    releases = [Release(scratch / f"2026093{n}T000000.000000Z") for n in (0, 1)]
    seconds, processor = [], []
    for release, before, changed in zip(
        releases, (None, releases[0]), ("history", "night"), strict=True
    ):
        release.folder.mkdir(parents=True)
        with closing(duckdb.connect(str(scratch / f"{changed}_accounts.duckdb"))) as con:
            _multiply(con, place, accounts // BILLED, changed)
            warehouse = Warehouse(con, Layout(place / "night" / "warehouse.duckdb"))
            began, used = time.monotonic(), sum(os.times()[:2])
            write_site(
                warehouse, load_vars(Settings()), release, before, (through, through), "checks"
            )
            seconds.append(round(time.monotonic() - began, 2))
            processor.append(round(sum(os.times()[:2]) - used, 2))
    result = {
        "accounts": accounts,
        "months": months,
        "changed": NIGHT,
        "whole_site_seconds": seconds[0],
        "night_seconds": seconds[1],
        # What a machine that does something else too says more reliably.
        "whole_site_processor_seconds": processor[0],
        "night_processor_seconds": processor[1],
        **_sizes(releases[1].site),
        "first_view_seconds": _views(releases[1].site, str(100_000_000_000 + accounts // 20 * 10)),
    }
    shutil.rmtree(scratch)
    return result


def _multiply(con: duckdb.DuckDBPyConnection, place: Path, times: int, first: str) -> None:
    """Create the tables that a site is made of: the accounts of `first` (before the night, or after
    it), and those of before it again and again under other numbers."""
    for name in ("history", "night"):
        con.execute(f"attach '{place / name / 'warehouse.duckdb'}' as {name} (read_only)")
    [(database,)] = con.execute("select current_database()").fetchall()
    for schema in ("billing", "ops", "raw", "seeds", "intermediate"):
        con.execute(f"create schema {schema}")
    tables = con.execute(
        """
        select distinct table_schema, table_name from information_schema.tables
        where table_catalog = 'night' and (
            table_schema in ('billing', 'seeds')
            or table_name in ('runs', 'control_results', 'unbilled_calls', 'rejected_records')
            or table_name = 'int_daily_usage_changes'
            or (table_schema = 'raw' and table_name = 'packages')
        ) and table_name not in ('calls', 'focus_cost_and_usage')
        order by all
        """
    ).fetchall()
    for schema, table in tables:
        con.execute(f"use {first}")
        columns = [row[0] for row in con.execute(f"describe {schema}.{table}").fetchall()]
        rows = f"from {first}.{schema}.{table}"
        if "owner_uin" in columns and schema != "ops" and times > 1:
            renamed = ", ".join(
                f"(({column})::bigint + copy * {BILLED})::varchar as {column}"
                for column in ("owner_uin", "operate_uin")
                if column in columns
            )
            rows += (
                f" union all by name select * exclude (copy) replace ({renamed})"
                f" from history.{schema}.{table}, range(1, {times}) as copies (copy)"
            )
        # As the job's nights leave them: a date after the other.
        dates = [name for name in ("settled_on", "usage_date", "bill_month") if name in columns]
        ordered = f"order by {dates[0]}" if dates else ""
        con.execute(f"create table {database}.{schema}.{table} as from ({rows}) {ordered}")
        con.execute(f"use {database}")


def _land(landing: Path, months: int, settled: date) -> None:
    folder = landing / "call_logs"
    folder.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute(
            f"copy ({_CALLS}) to '{folder}' (format parquet, partition_by (arrived_on))",
            {"accounts": BILLED, "months": months, "last": LAST_MONTH},
        )
        late = folder / f"arrived_on={settled + timedelta(days=1)}"
        late.mkdir()
        con.execute(
            f"copy ({_NIGHT}) to '{late / 'night.parquet'}' (format parquet)",
            {"accounts": NIGHT, "every": BILLED // NIGHT, "day": str(settled)},
        )


def _run(place: Path, warehouse: Path, through: date) -> None:
    timed(
        [
            *(Path(sys.executable).with_name("callbill"), "run", "--json-logs"),
            *("--landing", place / "landing", "--warehouse", warehouse / "warehouse.duckdb"),
            *("--published", warehouse / "published", "--through", through),
        ]
    )


def _link(source: str, target: str) -> None:
    """Files of releases and Parquet files are never written again."""
    if source.endswith(".parquet") or not Path(source).stat().st_mode & 0o222:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _sizes(site: Path) -> dict[str, Any]:
    """The largest file that a page is made of, and how many files the night wrote."""
    # dbt and Great Expectations make pages of their own.
    files = [
        path
        for path in site.rglob("*")
        if path.is_file() and path.relative_to(site).parts[0] not in ("dbt", "controls")
    ]
    largest = max(files, key=lambda path: path.stat().st_size)
    written = [path for path in files if path.stat().st_nlink == 1]
    return {
        "files": len(files),
        "files_written": len(written),
        "largest_file": largest.relative_to(site).as_posix(),
        "largest_bytes": largest.stat().st_size,
    }


def _views(site: Path, owner: str) -> dict[str, float]:
    """Seconds from the address to what a page is there for, from disk, in a browser that has seen
    none of it; the median of three."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    seconds: dict[str, float] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (page_address, wanted) in PAGES.items():
            rounds = []
            for _ in range(3):
                context = browser.new_context(viewport={"width": 1280, "height": 900})
                page = context.new_page()
                page.goto("about:blank")
                began = time.monotonic()
                address = page_address.format(owner=owner)
                page.goto(f"{site.as_uri()}/{address}", wait_until="commit")
                page.locator(wanted).first.wait_for(timeout=60_000)
                rounds.append(time.monotonic() - began)
                context.close()
            seconds[name] = round(median(rounds), 2)
        browser.close()
    return seconds
