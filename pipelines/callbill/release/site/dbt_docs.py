"""dbt's own site of the models: lineage, columns, exposures."""

from __future__ import annotations

import hashlib
import re
from importlib.metadata import version
from pathlib import Path

from callbill.base.settings import PROJECT, BillingVars
from callbill.storage.files import link_or_copy
from callbill.warehouse.dbt import run_dbt
from callbill.warehouse.layout import Layout

_DOCUMENTED = ("models/**/*", "macros/**/*", "seeds/*.yml", "dbt_project.yml")


def write_dbt_docs(layout: Layout, billing_vars: BillingVars, site: Path) -> None:
    """Write `dbt/index.html`. It is the same until a model, or what is said of one, changes: only
    then dbt is asked for it."""
    made = layout.dbt / "docs" / f"{_project_hash()}.html"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        for old in made.parent.iterdir():
            old.unlink()
        run_dbt(layout, billing_vars, "docs", "generate", "--static")
        page = layout.dbt / "target" / "static_index.html"
        text = page.read_text(encoding="utf-8")
        # A reader has no use for where things lie on the machine that made the page.
        for place in (layout.dbt, layout.database.parent.resolve(), PROJECT):
            if place != Path(place.anchor):
                text = re.sub(rf"(?<![\w./-]){re.escape(str(place))}(?![\w.-])", ".", text)
        # Else a browser looks for icons by the names of variables, and for one that is not there.
        text = text.replace('<use xlink:href="{{', '<use ng-attr-href="{{')
        text = re.sub(r'href="[^"]*favicon\.ico[^"]*"', 'href="../assets/icon.svg"', text)
        unfinished = made.with_suffix(".part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(made)
    (site / "dbt").mkdir()
    link_or_copy(made, site / "dbt" / "index.html")


def _project_hash() -> str:
    digest = hashlib.sha256(version("dbt-core").encode())
    for pattern in _DOCUMENTED:
        for path in sorted(PROJECT.glob(pattern)):
            if path.is_file():
                digest.update(path.relative_to(PROJECT).as_posix().encode() + b"\0")
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
