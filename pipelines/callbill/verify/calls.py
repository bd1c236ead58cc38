"""Which calls are charged and taken back when, from records that lie aside by request id.

Records are spilled to Parquet in buckets, by a hash of their request id, so that no more than a
bucket is in memory at once. What a bucket comes to is few: counts by settlement date, account,
component and usage date.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import polars as pl

from callbill.base.settings import BillingVars
from callbill.verify.rating import PriceBook

_ROWS_A_SPILL = 250_000
# Rows have about half of their lines' bytes, and more for a moment while they are looked at.
_BYTES_A_BUCKET = 64 * 1024 * 1024

# By owner, component and usage date, then by settlement date: calls charged, calls taken back.
Charges = dict[tuple[str, str, date], dict[date, list[int]]]


class Spill:
    """Records put aside in a folder, to be read again bucket by bucket."""

    def __init__(self, folder: Path, total_bytes: int) -> None:
        self._folder = folder
        self._buckets = 1 + total_bytes // _BYTES_A_BUCKET
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = 0
        self._parts = 0

    def add(self, records: pl.DataFrame) -> None:
        self._pending.append(records)
        self._pending_rows += len(records)
        if self._pending_rows >= _ROWS_A_SPILL:
            self._write()

    def buckets(self) -> Iterator[pl.DataFrame]:
        """All records of some request ids, then of others, until all were there."""
        self._write()
        for bucket in range(self._buckets):
            parts = sorted(self._folder.glob(f"{bucket}-*.parquet"))
            if parts:
                yield pl.read_parquet(parts, glob=False)

    def _write(self) -> None:
        if not self._pending:
            return
        bucket = pl.col("request_id").hash(0) % self._buckets
        records = pl.concat(self._pending).with_columns(bucket=bucket)
        self._pending, self._pending_rows = [], 0
        for (number,), some in records.partition_by(
            "bucket", as_dict=True, include_key=False
        ).items():
            some.write_parquet(self._folder / f"{number}-{self._parts}.parquet")
        self._parts += 1


def charges_of(spill: Spill, book: PriceBook, billing_vars: BillingVars, through: date) -> Charges:
    """The calls charged and taken back on settlement dates up to `through`."""
    charges: Charges = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    horizon = max(billing_vars.dedup_horizon_days, billing_vars.max_usage_age_days)
    for bucket in spill.buckets():
        # A record that is delivered again on the same date says nothing new.
        records = bucket.filter(pl.col("settled_on") <= through).unique()
        is_only = pl.col("request_id").is_unique()
        _charge_once(records.filter(is_only), book, charges)
        _charge_again(records.filter(~is_only), book, charges, horizon)
    return charges


def _charge_once(records: pl.DataFrame, book: PriceBook, charges: Charges) -> None:
    """Calls of one record are charged if it is a success, young enough, and has a price."""
    counts = (
        records.filter(~pl.col("is_failure") & ~pl.col("is_too_old"))
        .group_by("owner_uin", "component_code", "usage_date", "settled_on")
        .len()
    )
    for owner_uin, component_code, usage_date, settled_on, calls in counts.iter_rows():
        if book.is_rated(component_code, usage_date, settled_on):
            charges[owner_uin, component_code, usage_date][settled_on][0] += calls


_COLUMNS = ("request_id", "settled_on", "called_us", "usage_date", "owner_uin", "component_code",
            "is_failure", "is_too_old")  # fmt: skip
_Record = tuple[str, date, int, date, str, str, bool, bool]


def _charge_again(records: pl.DataFrame, book: PriceBook, charges: Charges, horizon: int) -> None:
    """Calls of several records, one after the other."""
    in_order = records.select(_COLUMNS).sort("request_id", "settled_on", "called_us")
    for _, delivered in groupby(in_order.iter_rows(), key=itemgetter(0)):
        call: list[_Record] = []
        for record in delivered:
            if call and (record[1] - call[-1][1]).days > horizon:
                _charge(call, book, charges)
                call = []
            call.append(record)
        _charge(call, book, charges)


def _charge(call: Sequence[_Record], book: PriceBook, charges: Charges) -> None:
    """One call: charged for its first success that is young enough, unless it is void by then;
    taken back when it becomes void after it."""
    _, _, _, _, owner, component, _, _ = call[0]
    void_on = next((r[1] for r in call if r[6] or (r[4], r[5]) != (owner, component)), None)
    success = next((r for r in call if not r[6] and not r[7]), None)
    if success is None:
        return
    _, charged_on, _, usage_date, *_ = success
    if void_on is not None and void_on <= charged_on:
        return
    if not book.is_rated(component, usage_date, charged_on):
        return
    settled = charges[owner, component, usage_date]
    settled[charged_on][0] += 1
    if void_on is not None:
        settled[void_on][1] += 1
