"""docs/reliability.md, made of the results of the long campaign (`make reliability`)."""

from __future__ import annotations

import os
import platform
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import jinja2
from callbill import __version__

_PAGE = """\
# What was tried against the job

`make reliability` ran these tests and wrote this page (callbill {{ version }}, Python {{ python }},
{{ cpus }} CPUs; {{ minutes }} minutes). Anyone with the repository can run it. A full disk is made
with `unshare` and a small tmpfs. After a disturbed run, the content hashes of the next run, of
every settlement date and every table, were compared with those of an undisturbed run. `make test`
has smaller versions of some of these tests.

| what was tried | how often | as expected | seen |
|---|---|---|---|
{% for row in rows -%}
| {{ row.what }} | {{ "{:,}".format(row.times) }} | {{ row.verdict }} | {{ row.seen }} |
{% endfor %}
"""


class _Row:
    def __init__(self, what: str) -> None:
        self.what = what
        self.times = 0
        self.failed = 0
        self.remarks: list[str] = []

    @property
    def verdict(self) -> str:
        return "always" if not self.failed else f"not {self.failed} times"

    @property
    def seen(self) -> str:
        return "; ".join(dict.fromkeys(self.remarks))


def page(results: Sequence[Path]) -> str:
    """The page, of one or several result files; a test that was run again counts as it was last."""
    rows: defaultdict[str, _Row] = defaultdict(lambda: _Row(""))
    cases: dict[tuple[str | None, str | None], ElementTree.Element] = {}
    seconds = 0.0
    for file in results:
        for suite in ElementTree.parse(file).getroot().iter("testsuite"):  # noqa: S314  our own
            seconds += float(suite.get("time") or 0)
            for case in suite.iter("testcase"):
                if not case.get("name"):
                    continue  # that a run was stopped
                cases[case.get("classname"), case.get("name")] = case
    for case in cases.values():
        said = {p.get("name"): p.get("value") or "" for p in case.iter("property")}
        has_failed = case.find("failure") is not None or case.find("error") is not None
        what = said.get("tried") or (case.get("name") or "").split("[")[0].replace("_", " ")
        row = rows[what]
        row.what = what
        row.times += int(said.get("times", 1))
        row.failed += has_failed
        if "seen" in said:
            row.remarks.append(said["seen"])
    return (
        jinja2.Template(_PAGE)
        .render(
            rows=rows.values(),
            version=__version__,
            python=platform.python_version(),
            cpus=os.cpu_count(),
            minutes=round(seconds / 60),
        )
        .rstrip()
    )


if __name__ == "__main__":
    print(page([Path(name) for name in sys.argv[1:]]))
