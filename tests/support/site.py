"""The site of a release, and names of accounts that could harm its pages."""

from __future__ import annotations

from pathlib import Path

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
