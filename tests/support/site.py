"""The site of a release, and names of accounts that could harm its pages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

# What somebody could have an account called.
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "x'; drop table x; --\"",
    "\\u003cb\\u003e {{ 7*7 }} ${7*7}",
    "%3Cb%3E&amp;#owner=1&month=2026-03",
    "账户 🧾",
    "__proto__",
    "1",
)


def site_of(place: Path) -> Path:
    return place / "published" / "current" / "site"


def data_of(place: Path) -> Path:
    """The folder of the scripts that the pages load."""
    [folder] = (site_of(place) / "data").iterdir()
    return folder


def facts_of(page: Path) -> dict[str, Any]:
    """What a page knows of its release."""
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', text, re.DOTALL)
    assert found
    facts: dict[str, Any] = json.loads(found[1])
    return facts
