"""`make bench-site`: what the pages of many accounts cost a night, and how soon a page is there.

The place has little usage: a call an account and month. What is measured is the pages.
"""

from __future__ import annotations

import json
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
# Accounts that the night changes.
NIGHT = 100
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
    return [_site(folder / f"site-{n}-{months}", n, months) for n in (accounts // 10, accounts)]


def _site(place: Path, accounts: int, months: int) -> dict[str, Any]:
    settled = LAST_MONTH + timedelta(days=28)
    history = place / "history"
    if not (history / "published" / "current").exists():
        shutil.rmtree(place, ignore_errors=True)
        _land(place / "landing", accounts, months, settled)
        _run(place, history, settled)
    night = place / "night"
    shutil.rmtree(night, ignore_errors=True)
    shutil.copytree(history, night, symlinks=True, copy_function=_link)
    timing = _run(place, night, settled + timedelta(days=1))
    status = json.loads((night / "published" / "status" / "last_run.json").read_text())
    release = (night / "published" / "current").resolve()
    result = {
        "accounts": accounts,
        "months": months,
        "night": NIGHT,
        "seconds": round(timing, 2),
        "publish_seconds": round(status["step_seconds"]["publish"], 2),
        **_site_seconds(night, settled + timedelta(days=1), place / "scratch"),
        **_sizes(release / "site"),
        "first_view_seconds": _views(release / "site", str(100_000_000_000 + accounts // 2)),
    }
    shutil.rmtree(place / "scratch", ignore_errors=True)
    return result


def _land(landing: Path, accounts: int, months: int, settled: date) -> None:
    folder = landing / "call_logs"
    folder.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute(
            f"copy ({_CALLS}) to '{folder}' (format parquet, partition_by (arrived_on))",
            {"accounts": accounts, "months": months, "last": LAST_MONTH},
        )
        late = folder / f"arrived_on={settled + timedelta(days=1)}"
        late.mkdir()
        con.execute(
            f"copy ({_NIGHT}) to '{late / 'night.parquet'}' (format parquet)",
            {"accounts": NIGHT, "every": accounts // NIGHT, "day": str(settled)},
        )


def _run(place: Path, warehouse: Path, through: date) -> float:
    return timed(
        [
            *(Path(sys.executable).with_name("callbill"), "run", "--json-logs"),
            *("--landing", place / "landing", "--warehouse", warehouse / "warehouse.duckdb"),
            *("--published", warehouse / "published", "--through", through),
        ]
    ).seconds


def _link(source: str, target: str) -> None:
    """Files of releases and Parquet files are never written again."""
    if source.endswith(".parquet") or not Path(source).stat().st_mode & 0o222:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _site_seconds(place: Path, through: date, scratch: Path) -> dict[str, float]:
    """The site's part of the night, once more by itself; and what it would cost to write it all."""
    from callbill.base.settings import Settings, load_vars
    from callbill.release.release import Published, Release
    from callbill.release.site import write_site
    from callbill.warehouse.warehouse import Warehouse

    billing_vars = load_vars(Settings())
    before = Published(place / "published").releases()[-2]
    seconds = {}
    with closing(Warehouse.open_read_only(place / "warehouse.duckdb")) as warehouse:
        for name, previous in (("site_seconds", before), ("whole_site_seconds", None)):
            shutil.rmtree(scratch, ignore_errors=True)
            release = Release(scratch / "20260930T000000.000000Z")
            release.folder.mkdir(parents=True)
            began = time.monotonic()
            write_site(warehouse, billing_vars, release, previous, (through, through), "checks")
            seconds[name] = round(time.monotonic() - began, 2)
    return seconds


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
