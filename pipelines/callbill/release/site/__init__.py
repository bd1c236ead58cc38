"""The site of a release: pages that show its bills, for a browser, from disk or any web server.

Pages are the same for all accounts; what they show lies beside them in `data/`, some accounts and
a month to a file, so that a release writes what its run changed and links the rest.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from callbill.base.settings import BillingVars, Settings
from callbill.release.site.data import write_data
from callbill.release.site.dbt_docs import write_dbt_docs
from callbill.release.site.pages import write_pages

__all__ = ["write_site"]


def write_site(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    billing_vars: BillingVars,
    release: Path,
    before: Path | None,
    settled: tuple[date, date],
    data_docs: str,
) -> None:
    """Write `site` into a release whose marts are done, of a run that settled the dates from the
    first to the last of `settled`. `before` is the release before, `data_docs` the controls' page.
    """
    site = release / "site"
    (site / "controls").mkdir(parents=True)
    (site / "controls" / "index.html").write_text(data_docs, encoding="utf-8")
    months = write_data(con, billing_vars, site, before and before / "site", settled)
    write_pages(con, billing_vars, site, release.name, settled[1], months)
    write_dbt_docs(settings, billing_vars, site)
