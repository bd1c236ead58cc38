"""docs/performance.md and docs/scale.md, from what was measured: benchmarks/results."""

from __future__ import annotations

import json
import sys
from typing import Any

import jinja2

from benchmarks.measure import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"


def page(name: str = "performance") -> str:
    """A page's text, in Markdown. Raises jinja2.UndefinedError if something was never measured."""
    environment = jinja2.Environment(  # noqa: S701  not HTML
        loader=jinja2.FileSystemLoader(PROJECT / "benchmarks"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    measured: dict[str, Any] = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(RESULTS.glob("*.json"))
    }
    return environment.get_template(f"{name}.md.j2").render(**measured) + "\n"


if __name__ == "__main__":
    print(page(*sys.argv[1:]), end="")
