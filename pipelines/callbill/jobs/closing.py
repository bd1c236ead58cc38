"""The closing sums of a run: what became of each record that was due, and which calls of a closed
month are billed in a later one."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from datetime import date

from callbill.warehouse.warehouse import Warehouse

# Of each month so many accounts are named.
_MOST_ACCOUNTS = 5
_BILLED_LATER = """
    with lines as (
        select date_trunc('month', usage_date)::date as usage_month, bill_month, owner_uin, calls
        from billing.bill_lines
        where
            line_type = 'late_usage' and settled_on between $first and $last
            and bill_month > usage_date
    )

    select
        usage_month, bill_month, sum(calls)::bigint, count(distinct owner_uin),
        list_sort(list_distinct(list(owner_uin)))[:$most]
    from lines group by usage_month, bill_month order by usage_month, bill_month
"""


@dataclass(frozen=True)
class RecordsDue:
    """How many records were due, and what became of them: the fields from `billed` to `too_old` add
    up to `records`. Then calls that have no record of these dates, or were billed before."""

    records: int = 0
    billed: int = 0
    duplicate: int = 0
    failed: int = 0
    void: int = 0
    disagreeing: int = 0
    unrated: int = 0
    too_old: int = 0
    charged_late: int = 0
    taken_back: int = 0

    def __add__(self, other: RecordsDue) -> RecordsDue:
        return RecordsDue(
            *(one + more for one, more in zip(astuple(self), astuple(other), strict=True))
        )


def records_due(warehouse: Warehouse) -> RecordsDue:
    """The sums of the dates that were built last."""
    sums = ", ".join(f"coalesce(sum({f.name}), 0)::bigint" for f in fields(RecordsDue))
    [row] = warehouse.rows(f"select {sums} from intermediate.int_record_outcomes")
    return RecordsDue(*row)


def billed_later(warehouse: Warehouse, first: date, last: date) -> list[str]:
    """A sentence for each closed month of which these settlement dates bill calls that came too
    late for its own bill."""
    sentences = []
    for usage_month, bill_month, calls, count, accounts in warehouse.rows(
        _BILLED_LATER, {"first": first, "last": last, "most": _MOST_ACCOUNTS}
    ):
        more = f" and {count - len(accounts)} more" if count > len(accounts) else ""
        sentences.append(
            f"{calls} call(s) of {usage_month:%Y-%m}, whose bill is closed, are billed in"
            f" {bill_month:%Y-%m} (late usage): account(s) {', '.join(accounts)}{more}"
        )
    return sentences
