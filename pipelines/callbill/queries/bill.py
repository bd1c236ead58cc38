"""An account's bill of a month: its lines, its settlements and its precision adjustment."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import duckdb

from callbill.base.errors import UsageError
from callbill.base.settings import Settings
from callbill.base.text import printable
from callbill.queries.reading import open_release

Rows = list[tuple[Any, ...]]

# Tables as they stood on a date are macros of the release, named so.
_LINES = """
    select
        settled_on, usage_date, line_type, component_name, component_code, calls, list_price,
        coalesce(cast(discount as varchar), 'agreed'), contract_price, price_unit, used_amount,
        used_amount_unit, list_cost, real_cost, line_id, tier_from, package_id, waiver_id
    from (
        from billing.bill_lines_known_on($known_on)
        -- A release of before 0.7 does not have these columns.
        union all by name
        select null::bigint as tier_from, null::varchar as package_id, null::varchar as waiver_id
        where false
    )
    where owner_uin = $owner and bill_month = $month
    order by
        settled_on, usage_date, line_type, component_code, package_id nulls last, tier_from,
        contract_price, line_id
"""
_SETTLEMENTS = """
    select settled_on, product_code, rated_amount, deducted_amount, residual_amount
    from billing.settlements_known_on($known_on)
    where owner_uin = $owner and bill_month = $month
    order by settled_on, product_code
"""
_ADJUSTMENT = """
    select rated_amount, deducted_amount, adjustment_amount, is_final
    from billing.precision_adjustments_known_on($known_on)
    where owner_uin = $owner and bill_month = $month
"""
# Which a release of before 0.7 does not have.
_HAS_ACCOUNTS = """
    select count(*) > 0 from information_schema.tables
    where table_schema = 'billing' and table_name = 'accounts'
"""
_ACCOUNT_NAME = "select account_name from billing.accounts where owner_uin = $owner"


class BillLine(NamedTuple):
    settled_on: date
    usage_date: date
    line_type: str
    component_name: str
    component_code: str
    calls: int
    list_price: Decimal
    discount: str
    contract_price: Decimal
    price_unit: str
    used_amount: Decimal
    used_amount_unit: str
    list_cost: Decimal
    real_cost: Decimal
    line_id: str
    tier_from: int | None
    package_id: str | None
    waiver_id: str | None

    @property
    def stands(self) -> str:
        """Where its calls stand, for prices that depend on how much: on the step after so many
        calls, in a package, under a waiver."""
        step = None if self.tier_from is None else f"after {self.tier_from}"
        return ", ".join(filter(None, (step, self.package_id, self.waiver_id)))


@dataclass(frozen=True)
class PrecisionAdjustment:
    """月度计费精度差异: what a month's deductions come to less what was rated."""

    rated_amount: Decimal
    deducted_amount: Decimal
    adjustment_amount: Decimal
    is_final: bool


@dataclass(frozen=True)
class Bill:
    """A bill as known on a date; as of today without one."""

    owner_uin: str
    # The catalogue's name of the account, if it has one.
    account_name: str | None
    month: date
    known_on: date | None
    lines: list[BillLine]
    settlements: Rows
    adjustment: PrecisionAdjustment


def load_bill(settings: Settings, owner_uin: str, month: date, known_on: date | None) -> Bill:
    """An account's bill of a month (its 1st), from the current release.

    Raises UsageError if there is no bill, or if `known_on` is not settled yet.
    """
    with closing(open_release(settings)) as con:
        [(through,)] = con.execute("select max(settled_on) from ops.sealed_settlements").fetchall()
        if known_on is not None and known_on > through:
            raise UsageError(f"--known-on {known_on}: the bills are settled through {through} only")
        key = {"owner": owner_uin, "month": month, "known_on": known_on or through}
        adjustments = con.execute(_ADJUSTMENT, key).fetchall()
        if not adjustments:
            raise no_bill(month, owner_uin, known_on)
        return Bill(
            owner_uin=owner_uin,
            account_name=_account_name(con, owner_uin),
            month=month,
            known_on=known_on,
            lines=[BillLine(*row) for row in con.execute(_LINES, key).fetchall()],
            settlements=con.execute(_SETTLEMENTS, key).fetchall(),
            adjustment=PrecisionAdjustment(*adjustments[0]),
        )


def _account_name(con: duckdb.DuckDBPyConnection, owner_uin: str) -> str | None:
    if not con.execute(_HAS_ACCOUNTS).fetchall()[0][0]:
        return None
    names = con.execute(_ACCOUNT_NAME, {"owner": owner_uin}).fetchall()
    return names[0][0] if names else None


def no_bill(month: date, owner_uin: str | None = None, known_on: date | None = None) -> UsageError:
    """That there is no bill of a month, in the sentence that all commands have for it."""
    return UsageError(
        f"there is no bill of {month:%Y-%m}"
        + (f" of account {printable(owner_uin)}" if owner_uin else "")
        + (f" as known on {known_on}" if known_on else "")
    )
