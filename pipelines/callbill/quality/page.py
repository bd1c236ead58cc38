"""docs/controls.md, written from the catalogue that runs: `make docs`."""

from __future__ import annotations

import textwrap

import jinja2

from callbill.base.settings import Settings, load_thresholds, load_vars
from callbill.quality.catalogue import CatalogueEntry, catalogue

_PAGE = """\
# Controls

Every run checks its figures before it publishes them. Each control is a query for rows that should
not exist ([controls.yml](../pipelines/quality/controls.yml)); Great Expectations runs it inside
DuckDB. If an *error* control finds any, nothing is published or sealed, the run ends with exit code
1, and the last release stands; a *warning* is shown and published. What each found is in
`ops.control_results`, with sample rows. For each, `tests/test_controls.py` plants the fault that it
is there for and sees it fail.

Thresholds are vars of dbt_project.yml, to be set there or with `callbill run --vars`; this page
shows them as they are there.

| control | |
|---|---|
{% for control in controls -%}
| [{{ control.id }}](#{{ control.id }}) | {{ control.severity }} |
{% endfor -%}
{% for control in controls %}
## {{ control.id }}

**{{ control.sentence }}** ({{ control.severity }})

{{ control.about | paragraph }}

{{ ("Expected: " ~ control.expected ~ ".") | paragraph }}

{{ ("**What to do:** " ~ control.action) | paragraph }}
{% endfor -%}
"""


def page() -> str:
    """The page's text, in Markdown."""
    settings = Settings()
    values = vars(load_vars(settings)) | vars(load_thresholds(settings))
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701  not HTML
    environment.filters["paragraph"] = lambda text: textwrap.fill(
        environment.from_string(text).render(values),
        100,
        break_long_words=False,
        break_on_hyphens=False,
    )
    controls: list[CatalogueEntry] = list(catalogue().values())
    return environment.from_string(_PAGE).render(controls=controls) + "\n"


if __name__ == "__main__":
    print(page(), end="")
