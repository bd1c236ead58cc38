"""The controls of the settlement dates that a run settles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import jinja2

from callbill.base.rules import RuleRange
from callbill.base.settings import BillingVars, Thresholds
from callbill.base.sql import literal
from callbill.quality.catalogue import NOTHING_TO_FIND, Control, catalogue

# Tables that several controls read, in the order in which they are made.
_SHARED = ("late_charges", "due_ids", "earlier_records", "list_prices")
# Of these, those which only controls of calls read.
_ONLY_OF_CALLS = ("due_ids", "earlier_records")
EARLIER_RECORDS = "checks.earlier_records"


@contextmanager
def due_controls(
    con: duckdb.DuckDBPyConnection,
    dates: RuleRange,
    billing_vars: BillingVars,
    thresholds: Thresholds,
    findings: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[list[Control]]:
    """The controls of some settlement dates, with their templates filled in.

    `findings` has Parquet files by control: what the controls of calls found in each bucket, if
    they ran there. Their queries read these files then.

    Inside this block the connection has a database `checks`, with tables that several controls
    read.
    """
    window = con.execute("select has_catalogue_news from ops.settlement_window").fetchall()
    values = variables(dates, billing_vars, thresholds, has_catalogue_news=(True,) in window)
    has_something = _sources_with_something(con)

    def query_of(control: Control) -> str:
        if findings and control.is_of_calls:
            return read_all(findings[control.id])
        if control.sources and not has_something.intersection(control.sources):
            return NOTHING_TO_FIND
        return fill_in(control.sql, values)

    controls = [
        replace(control, expected=fill_in(control.expected, values), sql=query_of(control))
        for control in catalogue().values()
    ]
    con.execute("attach ':memory:' as checks")
    try:
        for table, sql in shared_tables(values).items():
            if not (findings and table in _ONLY_OF_CALLS):
                con.execute(sql)
        yield controls
    finally:
        con.execute("detach checks")


def _sources_with_something(con: duckdb.DuckDBPyConnection) -> set[str]:
    """The feeds of which a file was loaded, and of the tables that controls are only of those with
    rows."""
    feeds = {
        feed for (feed,) in con.execute("select distinct feed from ops.loaded_files").fetchall()
    }
    tables = {
        source for control in catalogue().values() for source in control.sources if "." in source
    }
    return feeds | {
        table for table in tables if con.execute(f"select 1 from {table} limit 1").fetchall()
    }


def read_all(files: Sequence[str]) -> str:
    """SQL for the rows of several Parquet files."""
    return f"from read_parquet([{', '.join(map(literal, files))}], hive_partitioning = false)"


def shared_tables(values: Mapping[str, object]) -> dict[str, str]:
    """The statements that make the tables of the database `checks`, by name, in order."""
    folder = Path(__file__).parent / "shared"
    return {
        name: fill_in((folder / f"{name}.sql").read_text(encoding="utf-8"), values)
        for name in _SHARED
    }


def controls_of_calls(values: Mapping[str, object]) -> dict[str, str]:
    """The queries of the controls that look at each call by itself, by control."""
    return {
        control.id: fill_in(control.sql, values)
        for control in catalogue().values()
        if control.is_of_calls
    }


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


def fill_in(template: str, values: Mapping[str, object]) -> str:
    """A template with its variables filled in. Raises jinja2.UndefinedError for one that `values`
    does not have."""
    return jinja2.Template(template, undefined=jinja2.StrictUndefined).render(values)
