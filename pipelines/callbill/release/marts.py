"""The list of marts, as dbt declares them in models/marts/*__models.yml.

`meta.hashed_by` names the date column by which a mart is hashed, so that a run hashes only the
dates that it changed. A mart without it is hashed as a whole. `meta.is_in_settlement_hash` marks
the marts that the hash of a settlement date covers: a further one would change the hash of every
sealed date. A mart with `meta.is_view` is a view over other marts. It is published and not hashed.
`meta.by_month` says by what a view's Parquet files are divided, one a bill month: by a column that
the view's last select has, whether or not it shows it. (Its instants would not lead the engine to
the rows of a month.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from callbill.base import settings
from callbill.base.sql import literal
from callbill.base.yaml_files import read_yaml


@dataclass(frozen=True)
class Mart:
    """A table of the schema `billing`."""

    name: str
    hashed_by: str | None = None
    is_in_settlement_hash: bool = False
    is_view: bool = False
    by_month: str | None = None


def hashed_marts() -> list[Mart]:
    """The marts that are not views, in the order of dbt's files."""
    return [mart for mart in _marts(settings.PROJECT) if not mart.is_view]


def dated_tables() -> list[Mart]:
    """The marts that are hashed by date and are tables, unlike calls."""
    return [mart for mart in hashed_marts() if mart.hashed_by and mart.name != "calls"]


def dated_marts() -> list[str]:
    """The names of the marts that the hash of a settlement date covers."""
    return [mart.name for mart in hashed_marts() if mart.is_in_settlement_hash]


def views_by_month() -> dict[str, str]:
    """The views whose files are divided by bill month, with the column that says it."""
    return {mart.name: mart.by_month for mart in _marts(settings.PROJECT) if mart.by_month}


@cache
def _marts(project: Path) -> list[Mart]:
    marts = []
    for path in sorted((project / "models" / "marts").glob("_*__models.yml")):
        for model in read_yaml(path)["models"]:
            marts.append(Mart(model["name"], **model.get("config", {}).get("meta", {})))
    return marts


def columns_of(
    con: duckdb.DuckDBPyConnection, marts: Iterable[str], database: str = ""
) -> dict[str, dict[str, str]]:
    """The types of some marts' columns by their names. `database` ends with a dot, if it is another
    than the current one."""
    columns: dict[str, dict[str, str]] = {mart: {} for mart in marts}
    # Not from the catalog's list of columns, which would bind every view there is.
    described = " union all ".join(
        f"select {literal(mart)}, column_name, column_type from (describe {database}billing.{mart})"
        for mart in columns
    )
    for mart, name, type_ in con.execute(described).fetchall():
        columns[mart][name] = type_
    return columns
