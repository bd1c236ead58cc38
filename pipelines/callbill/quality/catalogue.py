"""The catalogue of controls, and the table that keeps what they found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import duckdb
import jinja2
import yaml

from callbill.base.settings import BillingVars, Thresholds
from callbill.quality import Control, ControlResult

_CATALOGUE = Path(__file__).parent / "controls.yml"
_EARLIER_RECORDS = Path(__file__).parent / "earlier_records.sql.j2"


@dataclass(frozen=True)
class CatalogueEntry:
    """A control as it is written down: its query is a template over the due dates and vars."""

    id: str
    severity: str
    sentence: str
    expected: str
    about: str
    sql: str
    # What an operator does about it, where a control does not say otherwise.
    action: str = (
        "A fault of callbill, or a hand in the warehouse: `callbill rebuild`, and report it if it "
        "comes again."
    )


@cache
def catalogue() -> dict[str, CatalogueEntry]:
    """All controls by id, in the order in which they are reported."""
    entries = yaml.safe_load(_CATALOGUE.read_text(encoding="utf-8"))
    return {entry["id"]: CatalogueEntry(**entry) for entry in entries}


@contextmanager
def due_controls(
    con: duckdb.DuckDBPyConnection,
    settle_from: date,
    settle_through: date,
    billing_vars: BillingVars,
    thresholds: Thresholds,
) -> Iterator[list[Control]]:
    """The controls of a run that settles these dates, while what several of them need is there, in
    a database `checks` beside the warehouse."""
    horizon_days = max(billing_vars.dedup_horizon_days, billing_vars.max_usage_age_days)
    values: dict[str, object] = {
        **vars(billing_vars),
        **vars(thresholds),
        "settle_from": settle_from,
        "settle_through": settle_through,
        "horizon": settle_from - timedelta(days=horizon_days),
        "horizon_days": horizon_days,
    }

    def filled_in(template: str) -> str:
        return jinja2.Template(template, undefined=jinja2.StrictUndefined).render(values)

    controls = [
        Control(
            control_id=entry.id,
            sentence=entry.sentence,
            expected=filled_in(entry.expected),
            severity="error" if entry.severity == "error" else "warning",
            sql=filled_in(entry.sql),
        )
        for entry in catalogue().values()
    ]
    con.execute("attach ':memory:' as checks")
    try:
        con.execute(filled_in(_EARLIER_RECORDS.read_text(encoding="utf-8")))
        yield controls
    finally:
        con.execute("detach checks")


def keep_results(
    con: duckdb.DuckDBPyConnection, run_id: str, results: Sequence[ControlResult]
) -> None:
    """Write down in `ops.control_results` what was expected and what was found."""
    con.executemany(
        "insert into ops.control_results values (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                run_id,
                result.control_id,
                result.severity,
                result.sentence,
                result.passed,
                result.expected,
                result.unexpected_rows,
                json.dumps(result.sample, ensure_ascii=False),
            )
            for result in results
        ],
    )
