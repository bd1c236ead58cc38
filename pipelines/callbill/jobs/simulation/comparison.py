"""Compares the bills of a simulation with those of the books."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callbill.base.errors import UsageError
from callbill.base.settings import BillingVars
from callbill.jobs.simulation.what_if import WhatIf
from callbill.release.release import Release
from callbill.warehouse.layout import CALLS
from callbill.warehouse.warehouse import Record, Warehouse

_HERE = Path(__file__).parent
_MONTHS = """
    create table simulation.months as
    select
        bill_month,
        count(distinct owner_uin) as accounts,
        cast(sum(calls) as bigint) as calls,
        cast(sum(simulated_calls) as bigint) as simulated_calls,
        cast(sum(rated_amount) as decimal(38, 8)) as rated_amount,
        cast(sum(simulated_rated_amount) as decimal(38, 8)) as simulated_rated_amount,
        cast(sum(deducted_amount) as decimal(18, 2)) as deducted_amount,
        cast(sum(simulated_deducted_amount) as decimal(18, 2)) as simulated_deducted_amount,
        cast(sum(difference) as decimal(18, 2)) as difference
    from simulation.bills
    group by bill_month
    order by bill_month
"""
# What is asked for. The queries read it.
_REQUESTED = """
    create table simulation.requested as
    select
        $from_month::date as from_month, $to_month::date as to_month,
        $owner_uin::varchar as owner_uin, $through::date as through,
        $horizon_days::integer as horizon_days
"""
_OF_LINES = "select comparison, count(*) from simulation.lines group by comparison"


@dataclass(frozen=True)
class Comparison:
    """What the tables of the schema `simulation` come to: months, bills, lines, unrated."""

    months: list[Record]
    # Lines that are the same, other, only_in_books, only_in_simulation.
    lines: dict[str, int]
    # Calls without a price by component: those of the books, those of the simulation.
    unrated: list[Record]
    # Calls of the simulation that came too late.
    too_old: int


def compare(
    warehouse: Warehouse,
    release: Release,
    what_if: WhatIf,
    billing_vars: BillingVars,
    *,
    has_new_calls: bool,
) -> Comparison:
    """Compare, and leave the tables. Raises UsageError if there is no bill to compare."""
    release.attach(warehouse.con, "sealed")
    try:
        warehouse.execute("create schema simulation")
        warehouse.execute(
            _REQUESTED,
            {
                "from_month": what_if.from_month,
                "to_month": what_if.to_month,
                "owner_uin": what_if.owner,
                "through": release.manifest.through,
                "horizon_days": billing_vars.horizon_days,
            },
        )
        # Files keep this order.
        warehouse.execute("set preserve_insertion_order = true")
        for name in ("bills", "lines"):
            warehouse.execute(f"create table simulation.{name} as {_query(name)}")
        if not warehouse.value("select count(*) from simulation.bills"):
            raise _nothing_to_compare(warehouse, what_if)
    finally:
        warehouse.execute("detach sealed")
    warehouse.execute(_MONTHS)
    books = simulated = _left_calls(warehouse, release.calls)
    if has_new_calls:
        simulated = _left_calls(warehouse, f"intermediate.{CALLS}")
    unrated = [
        (component, books.get((kind, component), 0), simulated.get((kind, component), 0))
        for kind, component in sorted(books.keys() | simulated.keys(), key=str)
        if kind == "unrated"
    ]
    warehouse.execute(
        "create table simulation.unrated"
        " (component_code varchar, calls bigint, simulated_calls bigint)"
    )
    warehouse.insert("simulation.unrated", unrated)
    return Comparison(
        warehouse.records("from simulation.months order by bill_month"),
        dict(warehouse.rows(_OF_LINES)),
        warehouse.records("from simulation.unrated"),
        sum(calls for (kind, _component), calls in simulated.items() if kind == "too_old"),
    )


def _query(name: str) -> str:
    return (_HERE / f"{name}.sql").read_text(encoding="utf-8")


def _left_calls(warehouse: Warehouse, calls: str) -> dict[tuple[str, str | None], int]:
    """How many of some calls are in no bill, by disposition and component."""
    warehouse.execute(f"create or replace view simulation.calls as from {calls}")
    return {
        (disposition, component): count
        for disposition, component, count in warehouse.rows(_query("left_calls"))
    }


def _nothing_to_compare(warehouse: Warehouse, what_if: WhatIf) -> UsageError:
    of_owner = f" of account {what_if.owner}" if what_if.owner else ""
    first, last = warehouse.rows(
        "select min(bill_month), max(bill_month) from sealed.billing.monthly_bills"
        " where owner_uin = coalesce($owner, owner_uin)",
        {"owner": what_if.owner},
    )[0]
    if first is None:
        return UsageError(f"no bill{of_owner} is sealed")
    asked = " ".join(
        f"{word} {month:%Y-%m}"
        for word, month in (("from", what_if.from_month), ("to", what_if.to_month))
        if month is not None
    )
    return UsageError(
        f"there is no bill{of_owner} {asked}: those that are sealed are of {first:%Y-%m} to "
        f"{last:%Y-%m}"
    )
