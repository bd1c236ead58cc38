"""Building the models of the settlement dates that are due."""

from __future__ import annotations

from datetime import date, timedelta

from callbill.base.settings import BillingVars
from callbill.warehouse import dbt
from callbill.warehouse.warehouse import Warehouse


def build_models(
    warehouse: Warehouse, billing_vars: BillingVars, settle_from: date, settle_through: date
) -> None:
    """Build all models for the dates from `settle_from` to `settle_through`.

    What an earlier, unpublished run left of these dates or later ones is replaced. Raises
    ControlFailedError if a test of a model failed, CallbillError if a model could not be built.
    """
    with warehouse.transaction():
        warehouse.execute("delete from ops.settlement_window")
        warehouse.execute(
            "insert into ops.settlement_window values (?, ?)", [settle_from, settle_through]
        )
    warehouse.prepare_call_partitions(settle_through)
    dbt.build_models(warehouse.layout, billing_vars)
    days = (settle_through - settle_from).days
    warehouse.complete_call_partitions(settle_from + timedelta(days=n) for n in range(days + 1))
