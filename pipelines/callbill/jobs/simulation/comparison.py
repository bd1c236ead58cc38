"""Compares the bills of a simulation with those of the books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import jinja2

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
_OF_LINES = "select comparison, count(*) from simulation.lines group by comparison"


@dataclass(frozen=True)
class Comparison:
    """What the tables of the schema `simulation` come to: months, bills, lines, unrated."""

    months: list[Record]
    # Lines that are the same, other, only_in_books, only_in_simulation.
    lines: dict[str, int]
    # Calls without a price by component: those of the books, those of the simulation.
    unrated: list[Record]
    # Calls that came too late: those of the books, those of the simulation.
    too_old: tuple[int, int]


def compare(
    warehouse: Warehouse,
    release: Release,
    what_if: WhatIf,
    billing_vars: BillingVars,
    *,
    has_new_calls: bool,
) -> Comparison:
    """Compare, and leave the tables. Raises UsageError if there is no bill to compare."""
    asked = {
        "from_month": what_if.from_month, "to_month": what_if.to_month, "owner": what_if.owner,
    }  # fmt: skip
    release.attach(warehouse.con, "sealed")
    try:
        warehouse.execute("create schema simulation")
        # Files keep this order.
        warehouse.execute("set preserve_insertion_order = true")
        for name in ("bills", "lines"):
            query = (_HERE / f"{name}.sql").read_text(encoding="utf-8")
            warehouse.execute(f"create table simulation.{name} as {query}", asked)
        if not warehouse.value("select count(*) from simulation.bills"):
            raise _nothing_to_compare(warehouse, what_if)
    finally:
        warehouse.execute("detach sealed")
    warehouse.execute(_MONTHS)
    left = _Left(warehouse, release, billing_vars, what_if.owner, has_new_calls=has_new_calls)
    unrated = left.by_component("unrated")
    too_old = left.by_component("too_old")
    warehouse.execute(
        "create table simulation.unrated"
        " (component_code varchar, calls bigint, simulated_calls bigint)"
    )
    warehouse.insert("simulation.unrated", [tuple(row.values()) for row in unrated])
    return Comparison(
        warehouse.records("from simulation.months order by bill_month"),
        dict(warehouse.rows(_OF_LINES)),
        unrated,
        (sum(r["calls"] for r in too_old), sum(r["simulated_calls"] for r in too_old)),
    )


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


@dataclass(frozen=True)
class _Left:
    """Calls that are in no bill, in the books and in the simulation."""

    warehouse: Warehouse
    release: Release
    billing_vars: BillingVars
    owner: str | None
    has_new_calls: bool

    def by_component(self, disposition: str) -> list[Record]:
        books = self._count(self.release.calls, disposition)
        simulated = books
        if self.has_new_calls:
            simulated = self._count(f"intermediate.{CALLS}", disposition)
        return [
            {
                "component_code": component,
                "calls": books.get(component, 0),
                "simulated_calls": simulated.get(component, 0),
            }
            for component in sorted(books.keys() | simulated.keys(), key=lambda c: c or "")
        ]

    def _count(self, calls: str, disposition: str) -> dict[str | None, int]:
        template = (_HERE / "left_calls.sql").read_text(encoding="utf-8")
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701  not HTML
        values: dict[str, Any] = {
            "calls": calls,
            "disposition": disposition,
            "through": self._through,
            "horizon_days": self.billing_vars.horizon_days,
        }
        query = environment.from_string(template).render(values)
        return dict(self.warehouse.rows(query, {"owner": self.owner}))

    @property
    def _through(self) -> date:
        return self.release.manifest.through
