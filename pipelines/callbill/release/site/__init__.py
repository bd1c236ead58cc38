"""The site of a release: pages that show its bills, for a browser, from disk or any web server.

Pages are frames, the same for all accounts. What they show lies beside them in `data/`, a file for
a month and some of the accounts, so that a release writes what its run changed and links the rest.

data.py      the scripts in data/, from the .sql files here
pages.py     the pages, from page.html.j2, assets/ and the tables of the overview
terms.yml    what the pages call figures and states, in English and Chinese
texts.yml    the sentences of the pages, likewise
simulation.py, remarks.yml   the page of a simulation, and what it says of itself
dbt_docs.py  dbt's own site of the models
vendor/      Preact, Chart.js and fflate
"""

from __future__ import annotations

from datetime import date

from callbill.base.settings import BillingVars
from callbill.release.release import Release
from callbill.release.site.data import write_data
from callbill.release.site.dbt_docs import write_dbt_docs
from callbill.release.site.pages import Facts, write_pages
from callbill.warehouse.warehouse import Warehouse

__all__ = ["write_site"]


def write_site(
    warehouse: Warehouse,
    billing_vars: BillingVars,
    release: Release,
    before: Release | None,
    settled: tuple[date, date],
    data_docs: str,
    issuer: str = "",
) -> None:
    """Write `site` into a release whose marts are written.

    `before` is the release before, `settled` the first and the last date that the run settled,
    `data_docs` the page of the controls, `issuer` who bills, if the settings say so.
    """
    site = release.site
    (site / "controls").mkdir(parents=True)
    (site / "controls" / "index.html").write_text(data_docs, encoding="utf-8")
    zone = billing_vars.billing_timezone
    data = write_data(warehouse.con, zone, site, before.site if before else None, settled)
    facts = Facts(release.run_id, settled[1], zone, billing_vars.deduction_rounding, issuer=issuer)
    write_pages(warehouse.con, facts, site, data)
    write_dbt_docs(warehouse.layout, billing_vars, site)
