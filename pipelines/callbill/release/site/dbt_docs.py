"""dbt's own site of the models: lineage, columns, exposures."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

from callbill.base.settings import PROJECT, BillingVars
from callbill.storage.files import link_or_copy
from callbill.warehouse.dbt import files_hash, run_dbt
from callbill.warehouse.layout import Layout

_WAY_BACK = (
    '<a href="../index.html" target="_top" style="position:fixed;z-index:9999;right:1rem;'
    'top:.25rem;font:14px sans-serif;color:#1a52b5">callbill</a>'
)
_DOCUMENTED = ("models/**/*", "macros/**/*", "seeds/*.yml", "dbt_project.yml")


def write_dbt_docs(layout: Layout, billing_vars: BillingVars, site: Path) -> None:
    """Write `dbt/index.html`. dbt makes it only when a model or its description has changed;
    otherwise the page made before is linked."""
    kept_page = (
        layout.dbt / "docs" / f"{files_hash(_DOCUMENTED, version('dbt-core'), _WAY_BACK)}.html"
    )
    if not kept_page.exists():
        kept_page.parent.mkdir(parents=True, exist_ok=True)
        for old in kept_page.parent.iterdir():
            old.unlink()
        target = run_dbt(layout.database, layout.dbt, billing_vars, "docs", "generate", "--static")
        generated_page = target / "static_index.html"
        text = generated_page.read_text(encoding="utf-8")
        # Paths of the machine that made the page are of no use to a reader.
        for place in (layout.dbt, layout.database.parent.resolve(), PROJECT):
            if place != Path(place.anchor):
                text = re.sub(rf"(?<![\w./-]){re.escape(str(place))}(?![\w.-])", ".", text)
        # Otherwise a browser asks for icons by the names of variables, and for an icon that is not
        # there.
        text = text.replace('<use xlink:href="{{', '<use ng-attr-href="{{')
        text = re.sub(r'href="[^"]*favicon\.ico[^"]*"', 'href="../assets/icon.svg"', text)
        # Opened by itself, the page has a way back to the site.
        text = re.sub(r"(<body[^>]*>)", rf"\1{_WAY_BACK}", text, count=1)
        unfinished = kept_page.with_suffix(".part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(kept_page)
    (site / "dbt").mkdir()
    link_or_copy(kept_page, site / "dbt" / "index.html")
