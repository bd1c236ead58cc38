"""`callbill reconcile`: the vendor's bills held against ours, as the current release has them.

The mart billing.reconciliation compares line by line and names each difference. Here that is summed
up by bill.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb

from callbill.base.errors import UsageError
from callbill.base.settings import Settings
from callbill.base.text import printable
from callbill.release.store import release_to_read

# The parts of a bill's difference, in the order in which they are shown, with what sums up to each.
_PARTS = {
    "missing here": "sum(missing_difference) filter (where contains(category, 'missing_here'))",
    "missing there": "sum(missing_difference) filter (where contains(category, 'missing_there'))",
    "package": "sum(volume_difference) filter (where category like '%package%')",
    "volume": "sum(volume_difference) filter (where category not like '%package%')",
    "price": "sum(price_difference)",
    "rounding": "sum(rounding_difference)",
    "period": "sum(period_difference)",
    "unexplained": "sum(unexplained_difference)",
}

# The product of each component that either side names. The catalogue does not have all of the
# vendor's: those are of the product that its line names, by code or by name.
_PRODUCTS = """
    (
        select component_code, product_code from seeds.components
        union
        select l.component_code, p.product_code
        from billing.vendor_bill_lines as l
        inner join seeds.products as p
            on lower(l.vendor_product) in (lower(p.product_code), lower(p.product_name))
    )
"""
# A precision adjustment is of no product.
_OF_PRODUCTS = f"""
    (
        $products::varchar[] is null
        or component_code in (
            select component_code from {_PRODUCTS} where list_contains($products, product_code)
        )
    )
"""
_SELECTION = f"""
    from billing.reconciliation
    where ($month is null or bill_month = $month::date) and ($owner is null or owner_uin = $owner)
        and {_OF_PRODUCTS}
"""
_BILLS = f"""
    select bill_month, owner_uin, sum(real_cost), sum(vendor_cost), sum(cost_difference),
        {", ".join(f"coalesce({part}, 0)" for part in _PARTS.values())}
    {_SELECTION}
    group by bill_month, owner_uin order by bill_month, owner_uin
"""
# What was settled of the compared bills since the vendor made its own.
_SETTLED_SINCE = f"""
    select coalesce(sum(real_cost), 0) - (
        select coalesce(sum(real_cost), 0) {_SELECTION} and component_code <> 'billVirtualId'
    )
    from billing.bill_lines
    where (owner_uin, bill_month) in (select (owner_uin, bill_month) {_SELECTION})
        and ($products::varchar[] is null or list_contains($products, product_code))
"""
_DIFFERENCES = f"""
    select bill_month, owner_uin, usage_date, component_code, category, calls, vendor_calls,
        contract_price, vendor_price, real_cost, vendor_cost, cost_difference
    {_SELECTION} and category <> 'none'
    order by bill_month, owner_uin, usage_date, component_code
"""
# What the vendor corrected by itself, by account and month.
_ADJUSTMENTS = f"""
    select bill_month, owner_uin, count(*), sum(vendor_cost)
    from billing.vendor_bill_lines
    where status = 'bill_adjustment' and ($month is null or bill_month = $month::date)
        and ($owner is null or owner_uin = $owner) and {_OF_PRODUCTS}
    group by bill_month, owner_uin order by bill_month, owner_uin
"""
# Of which products a vendor's bill has nothing, how many differences that makes, and the products
# of which it has something.
_ABSENT_PRODUCTS = f"""
    with of_products as (
        select r.owner_uin, r.bill_month, p.product_code, r.category
        from (select * {_SELECTION}) as r
        inner join {_PRODUCTS} as p on r.component_code = p.component_code
    ),

    bills as (
        select
            product_code, bool_and(contains(category, 'missing_there')) as is_absent,
            count(*) filter (category <> 'none') as differences
        from of_products group by owner_uin, bill_month, product_code
    )

    select
        coalesce(sum(differences) filter (is_absent), 0)::bigint,
        list_sort(list_distinct(list(product_code) filter (is_absent))),
        list_sort(list_distinct(list(product_code) filter (not is_absent)))
    from bills
"""
_WITHOUT_CALLS = f"""
    select distinct owner_uin {_SELECTION}
        and owner_uin not in (select owner_uin from billing.daily_usage)
    order by owner_uin
"""
_UNEXPLAINED = f"select count(*) {_SELECTION} and unexplained_difference <> 0"
# Why a total below the lines of a bill is rejected (feeds/vendor_bills/judge.sql).
TOTAL_LINE = "total_line"
# Lines of the vendor's that could not be read and may belong to the bills asked for. A total below
# them is no line of a bill.
_REJECTED = f"""
    select count(*)
    from ops.rejected_records as r
    inner join ops.source_files as f
        on r.source_file_id = f.source_file_id and r.feed = f.feed and r.path = f.path
    where r.feed = 'vendor_bills' and f.quarantine_reason is null
        and r.reason <> '{TOTAL_LINE}'
        -- A line without an account may be of the account that its file is of.
        and (
            $owner is null
            or coalesce(
                r.fields ->> 'owner_uin' = $owner,
                contains(r.path, $owner) or r.source_file_id in (
                    select l.source_file_id from billing.vendor_bill_lines as l
                    where l.owner_uin = $owner
                )
            )
        )
        and (
            $month is null
            or coalesce(
                try_cast(left(r.fields ->> 'fee_begin_time', 10) as date) not between
                $month::date - interval 2 month and last_day($month::date),
                false
            ) is false
        )
"""
_LEFT_OUT = """
    select count(*)
    from billing.vendor_bill_lines
    where status = 'other_product' and ($month is null or bill_month = $month::date)
        and ($owner is null or owner_uin = $owner)
"""
# Our bills without a bill of the vendor's.
_WITHOUT_VENDOR_BILL = """
    select count(*)
    from (
        select distinct b.owner_uin, b.bill_month
        from billing.monthly_bills as b
        anti join billing.reconciliation as r using (owner_uin, bill_month)
        where ($month is null or b.bill_month = $month::date)
            and ($owner is null or b.owner_uin = $owner)
            and ($products::varchar[] is null or list_contains($products, b.product_code))
    )
"""
# So many accounts without calls are named.
_MOST_ACCOUNTS = 5


@dataclass(frozen=True)
class Bill:
    """An account's month: our cost, the vendor's, and the parts of the difference."""

    bill_month: date
    owner_uin: str
    real_cost: Decimal
    vendor_cost: Decimal
    cost_difference: Decimal
    parts: dict[str, Decimal]


@dataclass(frozen=True)
class Reconciliation:
    """What was compared: bills, the rows that differ, and what could not be compared."""

    bills: Sequence[Bill]
    through: date
    differences: Sequence[tuple[Any, ...]]
    unexplained: int
    rejected: int
    left_out: int
    settled_since: Decimal
    without_vendor_bill: int
    # Month, account, lines, amount.
    adjustments: Sequence[tuple[Any, ...]]
    # Sentences about differences that have one cause, and what can be done about it.
    hints: Sequence[str]


@dataclass(frozen=True)
class Asked:
    """The bills that are asked for: of a month or of all, of an account or of all, and of these
    products or of all."""

    month: date | None = None
    owner: str | None = None
    products: tuple[str, ...] = ()

    def parameters(self, query: str) -> dict[str, Any]:
        """The parameters that a query has."""
        values = {
            "month": self.month,
            "owner": self.owner,
            "products": list(self.products) or None,
        }
        return {name: value for name, value in values.items() if f"${name}" in query}

    def check_products(self, con: duckdb.DuckDBPyConnection) -> None:
        """Raises UsageError for a product that the release does not have."""
        known = [
            code
            for (code,) in con.execute(
                "select product_code from seeds.products order by 1"
            ).fetchall()
        ]
        for code in self.products:
            if code not in known:
                raise UsageError(
                    f"--product {printable(code)}: there is no such product; known are "
                    f"{', '.join(known)}"
                )


def compared(
    con: duckdb.DuckDBPyConnection, asked: Asked, through: date, rejected: int, *, schema: str
) -> Reconciliation:
    """The bills that were asked for. `schema` has the tables `reconciliation` and
    `vendor_bill_lines`."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        for table in ("reconciliation", "vendor_bill_lines"):
            query = query.replace(f"billing.{table}", f"{schema}.{table}")
        return con.execute(query, asked.parameters(query)).fetchall()

    return Reconciliation(
        bills=[
            Bill(bill_month, owner_uin, ours, theirs, less, dict(zip(_PARTS, parts, strict=True)))
            for bill_month, owner_uin, ours, theirs, less, *parts in rows(_BILLS)
        ],
        through=through,
        differences=rows(_DIFFERENCES),
        unexplained=rows(_UNEXPLAINED)[0][0],
        rejected=rejected,
        left_out=rows(_LEFT_OUT)[0][0],
        settled_since=rows(_SETTLED_SINCE)[0][0],
        without_vendor_bill=rows(_WITHOUT_VENDOR_BILL)[0][0],
        adjustments=rows(_ADJUSTMENTS),
        hints=[
            *_products_hint(*rows(_ABSENT_PRODUCTS)[0]),
            *_accounts_hint([owner for (owner,) in rows(_WITHOUT_CALLS)]),
        ],
    )


def _products_hint(
    differences: int, absent: list[str] | None, present: list[str] | None
) -> Iterator[str]:
    if not absent:
        return
    hint = (
        f"{differences} difference(s) are of products of which the vendor's bill has nothing "
        f"({', '.join(absent)})"
    )
    # Of another account or month the vendor's bill may have a product after all.
    if present and not set(absent) & set(present):
        hint += f": {' '.join(f'--product {code}' for code in present)} leaves them out"
    yield hint


def _accounts_hint(owners: list[str]) -> Iterator[str]:
    for owner in owners[:_MOST_ACCOUNTS]:
        yield f"account {owner} has no calls here"
    if len(owners) > _MOST_ACCOUNTS:
        yield f"nor have {len(owners) - _MOST_ACCOUNTS} more accounts"


def reconcile(settings: Settings, asked: Asked) -> Reconciliation:
    """Compare the bills that are asked for.

    Raises UsageError if no bill of the vendor's is known for what was asked.
    """
    release = release_to_read(settings)
    through = release.manifest.through
    with closing(release.open()) as con:
        if not con.execute(
            "select 1 from duckdb_tables() where table_name = 'vendor_bill_lines'"
        ).fetchall():
            raise UsageError(f"release {release.run_id} was published by a callbill before 0.6")
        asked.check_products(con)
        [(rejected,)] = con.execute(_REJECTED, asked.parameters(_REJECTED)).fetchall()
        reconciliation = compared(con, asked, through, rejected, schema="billing")
        if not reconciliation.bills and not rejected:
            of = f" of {asked.month:%Y-%m}" if asked.month else ""
            of += f" of account {asked.owner}" if asked.owner else ""
            of += f" of {' and '.join(asked.products)}" if asked.products else ""
            raise UsageError(
                f"no bill of the vendor's{of} with a line of ours was known by {through}: put it "
                "into landing/vendor_bills; the run that settles the next date reads it"
            )
        return reconciliation
