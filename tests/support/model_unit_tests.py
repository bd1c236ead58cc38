"""Runs dbt's unit tests of the models, without what dbt works out again for each of them.

Of their time half went into parsing each model's SQL to find its first `with`, and into asking the
database again and again for the columns of relations that stay as they are.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import yaml
from callbill.base.settings import Settings, load_vars

from tests.support.project import PROJECT

# All before it is comments and blanks. `with recursive` is left to dbt.
_FIRST_WITH = re.compile(
    r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*(with)\b(?!\s+recursive\b)", re.IGNORECASE | re.DOTALL
)


def run_model_unit_tests(folder: Path) -> NoReturn:
    """Instead of a command: `dbt test` on the unit tests, as a run has dbt work. The folder has the
    warehouse, and gets dbt's artifacts in `target`."""
    from dbt.cli.main import dbtRunner

    _work_out_once()
    environment = {
        "CALLBILL_WAREHOUSE": "warehouse.duckdb",
        "CALLBILL_WAREHOUSE_FILES": f"{folder / 'warehouse.duckdb'}.files",
        "DO_NOT_TRACK": "1",
    }
    os.environ.update(environment)
    os.chdir(folder)
    arguments = [
        "test",
        "--select", "test_type:unit",
        "--project-dir", str(PROJECT),
        "--profiles-dir", str(PROJECT),
        "--target-path", str(folder / "target"),
        "--log-path", str(folder / "logs"),
        "--vars", yaml.safe_dump(vars(load_vars(Settings()))),
        "--quiet",
        "--log-level", "none",
    ]  # fmt: skip
    sys.exit(0 if dbtRunner().invoke(arguments).success else 1)


def _work_out_once() -> None:
    from dbt import compilation
    from dbt.adapters.duckdb.impl import DuckDBAdapter

    inject_by_parsing = compilation.inject_ctes_into_sql
    columns_now = DuckDBAdapter.get_columns_in_relation

    def inject(sql: str, ctes: Sequence[Any]) -> str:
        first = _FIRST_WITH.match(sql)
        if not ctes or first is None:
            return inject_by_parsing(sql, list(ctes))
        of_inputs = ", ".join(cte.sql for cte in ctes)
        return f"{sql[: first.end(1)]} {of_inputs}, {sql[first.end(1) :]}"

    @cache
    def columns_once(adapter: DuckDBAdapter, rendered: str) -> list[Any]:
        return columns_now(adapter, relations[rendered])

    relations: dict[str, Any] = {}

    def columns(self: DuckDBAdapter, relation: Any) -> list[Any]:
        # A temporary relation is named after its test, so none comes again with other columns.
        relations[relation.render()] = relation
        return list(columns_once(self, relation.render()))

    compilation.inject_ctes_into_sql = inject
    DuckDBAdapter.get_columns_in_relation = columns
