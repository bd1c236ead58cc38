"""Hides a package from others that would import it if it is there, though nothing here needs it."""

from __future__ import annotations

import sys
from typing import Any, cast


def hide(package: str) -> None:
    """Have imports of a package fail from now on, as if it was not installed."""
    cast("dict[str, Any]", sys.modules).setdefault(package, None)


def show(package: str) -> None:
    """End that, for a package that needs it."""
    if package in sys.modules and not sys.modules[package]:
        del sys.modules[package]
