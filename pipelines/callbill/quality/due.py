"""The controls of the settlement dates that a run settles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import jinja2

from callbill.base.rules import RuleRange
from callbill.base.settings import BillingVars, Thresholds
from callbill.quality.catalogue import Control, catalogue

_SHARED_TABLES = Path(__file__).parent / "shared_tables.sql"


@contextmanager
def due_controls(
    con: duckdb.DuckDBPyConnection,
    dates: RuleRange,
    billing_vars: BillingVars,
    thresholds: Thresholds,
) -> Iterator[list[Control]]:
    """The controls of some settlement dates, with their templates filled in.

    Inside this block the connection has a database `checks`, with tables that several controls
    read.
    """
    window = con.execute("select has_catalogue_news from ops.settlement_window").fetchall()
    values = variables(dates, billing_vars, thresholds, has_catalogue_news=(True,) in window)
    controls = [
        replace(
            control,
            expected=fill_in(control.expected, values),
            sql=fill_in(control.sql, values),
        )
        for control in catalogue().values()
    ]
    con.execute("attach ':memory:' as checks")
    try:
        con.execute(fill_in(_SHARED_TABLES.read_text(encoding="utf-8"), values))
        yield controls
    finally:
        con.execute("detach checks")


def variables(
    dates: RuleRange,
    billing_vars: BillingVars,
    thresholds: Thresholds,
    *,
    has_catalogue_news: bool = False,
) -> dict[str, object]:
    """The variables of a control's template. controls/README.md explains them."""
    return {
        "settle_from": dates.first,
        "settle_through": dates.last,
        "billing_rules": dates.rules.billing_rules,
        "has_catalogue_news": has_catalogue_news,
        "horizon": dates.first - timedelta(days=billing_vars.horizon_days),
        "horizon_days": billing_vars.horizon_days,
        "billing_timezone": billing_vars.billing_timezone,
        "deduction_rounding": billing_vars.deduction_rounding,
        "max_reject_ratio": thresholds.max_reject_ratio,
        "hourly_check_min_records": thresholds.hourly_check_min_records,
        "usual_volume_days": thresholds.usual_volume_days,
        "usual_volume_factor": thresholds.usual_volume_factor,
        "usual_share_min_records": thresholds.usual_share_min_records,
    }


def fill_in(template: str, values: dict[str, object]) -> str:
    """A template with its variables filled in. Raises jinja2.UndefinedError for one that `values`
    does not have."""
    return jinja2.Template(template, undefined=jinja2.StrictUndefined).render(values)
