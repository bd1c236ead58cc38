"""Writes docs/controls.md from the catalogue of controls: `make docs`."""

from __future__ import annotations

import textwrap

import jinja2

from callbill.base.settings import PROJECT, Settings, load_thresholds
from callbill.quality.catalogue import CONTROLS, catalogue

_PAGE = """\
# Controls

Every run checks its figures before it publishes them. Each control is a query for rows that should
not exist, and Great Expectations runs it inside DuckDB. The queries are in
[{{ folder }}](../{{ folder }}).

- If a control of severity *error* finds rows, nothing is published or sealed, the run ends with
  exit code 1, and the last release stands.
- If a control of severity *warning* finds rows, the run shows them and publishes.

The results are in `ops.control_results`, with sample rows. For each control
`tests/job/test_controls.py` plants the fault that it guards against and sees it fail.

Thresholds are vars of dbt_project.yml. Set them there or with `callbill run --vars`. This page
shows the values of dbt_project.yml.

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
    values = vars(load_thresholds(Settings()))
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701  not HTML
    environment.filters["paragraph"] = lambda text: textwrap.fill(
        environment.from_string(text).render(values),
        100,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return (
        environment.from_string(_PAGE).render(
            controls=list(catalogue().values()),
            folder=CONTROLS.relative_to(PROJECT).as_posix(),
        )
        + "\n"
    )


if __name__ == "__main__":
    print(page(), end="")
