"""SQL with the macros of the dbt project expanded in it: a question then asks by the rules that the
models bill by."""

from __future__ import annotations

import jinja2

from callbill.base.settings import PROJECT


def expand_macros(template: str, *macro_files: str, **names: object) -> str:
    """A template's SQL, with the macros of these files (`money` is macros/money.sql). `names` are
    further functions and values that it uses."""
    macros = "".join(
        (PROJECT / "macros" / f"{name}.sql").read_text(encoding="utf-8") for name in macro_files
    )
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701  not HTML
    return environment.from_string(macros + template).render(**names).strip()
