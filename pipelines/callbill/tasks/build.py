"""Builds the models of some settlement dates, with dbt."""

from __future__ import annotations

from datetime import timedelta

from callbill.base.rules import RuleRange
from callbill.base.settings import BillingVars
from callbill.warehouse import dbt
from callbill.warehouse.warehouse import Warehouse


def build_models(warehouse: Warehouse, billing_vars: BillingVars, dates: RuleRange) -> None:
    """Build all models for a range of settlement dates with one version of the rules.

    The rows of these dates and of later ones, which an unpublished run may have left, are replaced.
    Raises ControlFailedError if a dbt test failed, CallbillError if a model could not be built.
    """
    with warehouse.transaction():
        warehouse.execute("delete from ops.settlement_window")
        warehouse.execute(
            "insert into ops.settlement_window values (?, ?, ?)",
            [dates.first, dates.last, dates.rules.billing_rules],
        )
    warehouse.prepare_call_partitions(dates.first, dates.last)
    dbt.build_models(warehouse.layout, billing_vars)
    days = (dates.last - dates.first).days
    warehouse.complete_call_partitions(dates.first + timedelta(days=n) for n in range(days + 1))
