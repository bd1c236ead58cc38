"""The bills of the last months of a release, for the end of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

_MONTHS = """
    select distinct bill_month from billing.monthly_bills order by bill_month desc limit 3
"""
_BILLS = """
    select
        owner_uin, product_code, calls, list_cost, discount_amount, rated_amount,
        adjustment_amount, deducted_amount
    from billing.monthly_bills
    where bill_month = ?
    order by deducted_amount desc, owner_uin, product_code
"""


@dataclass(frozen=True)
class MonthOfBills:
    """A month's bills, the largest first."""

    month: date
    bills: list[tuple[Any, ...]]


def latest_months(con: duckdb.DuckDBPyConnection) -> list[MonthOfBills]:
    """The last three months with a bill, in their order."""
    months = [row[0] for row in con.execute(_MONTHS).fetchall()]
    return [
        MonthOfBills(month, con.execute(_BILLS, [month]).fetchall()) for month in reversed(months)
    ]
