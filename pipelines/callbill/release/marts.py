"""The marts, as dbt declares them in models/marts/*__models.yml.

`meta.hashed_by` names the date by which a mart's rows are hashed, so that a night hashes only the
dates that it changed. Marts that are hashed by `settled_on` make up the hash of a settlement date.
A mart without it is hashed as a whole. `meta.is_view` marks marts that are views over others: they
are published, and not hashed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from callbill.base import settings


@dataclass(frozen=True)
class Mart:
    """A table of the schema `billing`."""

    name: str
    hashed_by: str | None = None
    is_view: bool = False


def hashed_marts() -> list[Mart]:
    """The marts that hold figures of their own."""
    return [mart for mart in _marts(settings.PROJECT) if not mart.is_view]


def dated_marts() -> list[str]:
    """The marts that the hash of a settlement date is made of."""
    return [mart.name for mart in hashed_marts() if mart.hashed_by == "settled_on"]


@cache
def _marts(project: Path) -> list[Mart]:
    marts = []
    for path in sorted((project / "models" / "marts").glob("_*__models.yml")):
        # The parser in C: Python's own takes a tenth of a second.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for model in yaml.load(path.read_text(encoding="utf-8"), loader)["models"]:  # noqa: S506
            marts.append(Mart(model["name"], **model.get("config", {}).get("meta", {})))
    return marts
