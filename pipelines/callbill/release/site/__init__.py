"""The site of a release: pages that show its bills, for a browser, from disk or any web server.

Pages are the same for all accounts. What they show lies beside them in `data/`, a file for a month
and some of the accounts, so that a release writes what its run changed and links the rest.

data.py      the scripts in data/, from the .sql files here
pages.py     the pages, from templates/ and assets/
terms.yml    what the pages call things, in English and as the vendor's bills have it
dbt_docs.py  dbt's own site of the models
vendor/      Preact and Chart.js
"""

from __future__ import annotations

from datetime import date

from callbill.base.settings import BillingVars
from callbill.release.release import Release
from callbill.release.site.data import write_data
from callbill.release.site.dbt_docs import write_dbt_docs
from callbill.release.site.pages import write_pages
from callbill.warehouse.warehouse import Warehouse

__all__ = ["write_site"]


def write_site(
    warehouse: Warehouse,
    billing_vars: BillingVars,
    release: Release,
    before: Release | None,
    settled: tuple[date, date],
    data_docs: str,
) -> None:
    """Write `site` into a release whose marts are written.

    `before` is the release before, `settled` the first and the last date that the run settled,
    `data_docs` the page of the controls.
    """
    site = release.site
    (site / "controls").mkdir(parents=True)
    (site / "controls" / "index.html").write_text(data_docs, encoding="utf-8")
    months = write_data(warehouse.con, billing_vars, site, before.site if before else None, settled)
    write_pages(warehouse.con, billing_vars, site, release.run_id, settled[1], months)
    write_dbt_docs(warehouse.layout, billing_vars, site)
