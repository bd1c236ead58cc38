"""Which calls are charged, and which are taken back, on which settlement date.

A copy on purpose of the models int_calls_once, int_calls_again and int_charges, and of the horizon
(macro dedup_horizon_days, BillingVars.horizon_days).

Records are spilled to Parquet in buckets, by a hash of their request id, so that only one bucket is
in memory at a time. A bucket comes to few counts: by account, component, usage date and settlement
date.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import polars as pl

from callbill.base.settings import BillingVars
from callbill.verify.prices import PriceBook

_ROWS_A_SPILL = 250_000
# Rows take about half the bytes of their lines, and more for a moment while they are sorted.
_BYTES_A_BUCKET = 64 * 1024 * 1024

# Account, component, usage date.
Usage = tuple[str, str, date]
# By settlement date: calls charged, calls taken back.
Charges = dict[Usage, dict[date, list[int]]]


class Spill:
    """Records put aside in a folder, to be read back bucket by bucket."""

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
        """All records, a bucket at a time. A request id is in one bucket only."""
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
        for (number,), part in records.partition_by(
            "bucket", as_dict=True, include_key=False
        ).items():
            part.write_parquet(self._folder / f"{number}-{self._parts}.parquet")
        self._parts += 1


def charges_of(spill: Spill, book: PriceBook, billing_vars: BillingVars, through: date) -> Charges:
    """The calls charged and taken back on settlement dates up to `through`."""
    charges: Charges = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    horizon_days = max(billing_vars.dedup_horizon_days, billing_vars.max_usage_age_days)
    for bucket in spill.buckets():
        # A record that is delivered again for the same date adds nothing.
        records = bucket.filter(pl.col("settled_on") <= through).unique()
        is_single = pl.col("request_id").is_unique()
        _charge_calls_of_one_record(records.filter(is_single), book, charges)
        _charge_calls_of_several_records(records.filter(~is_single), book, charges, horizon_days)
    return charges


def _charge_calls_of_one_record(records: pl.DataFrame, book: PriceBook, charges: Charges) -> None:
    """A call of one record is charged if it is a success, is young enough, and has a price."""
    counts = (
        records.filter(~pl.col("is_failure") & ~pl.col("is_too_old"))
        .group_by("owner_uin", "component_code", "usage_date", "settled_on")
        .len()
    )
    for owner_uin, component_code, usage_date, settled_on, calls in counts.iter_rows():
        if book.is_rated(component_code, usage_date, settled_on):
            charges[owner_uin, component_code, usage_date][settled_on][0] += calls


class _Record(NamedTuple):
    request_id: str
    settled_on: date
    called_us: int
    usage_date: date
    owner_uin: str
    component_code: str
    is_failure: bool
    is_too_old: bool


def _charge_calls_of_several_records(
    records: pl.DataFrame, book: PriceBook, charges: Charges, horizon_days: int
) -> None:
    """Records of one request id are one call while each is within the horizon of the one before."""
    in_order = records.select(_Record._fields).sort("request_id", "settled_on", "called_us")
    rows = (_Record(*row) for row in in_order.iter_rows())
    for _, same_request in groupby(rows, key=attrgetter("request_id")):
        call: list[_Record] = []
        for record in same_request:
            if call and (record.settled_on - call[-1].settled_on).days > horizon_days:
                _charge_call(call, book, charges)
                call = []
            call.append(record)
        _charge_call(call, book, charges)


def _charge_call(call: Sequence[_Record], book: PriceBook, charges: Charges) -> None:
    """Charge a call for its first success that is young enough, unless it is void by then. Take it
    back if it becomes void later."""
    success = next((r for r in call if not r.is_failure and not r.is_too_old), None)
    if success is None:
        return
    charged_on, void_on = success.settled_on, _void_on(call)
    if void_on is not None and void_on <= charged_on:
        return
    first = call[0]
    if not book.is_rated(first.component_code, success.usage_date, charged_on):
        return
    counts_by_date = charges[first.owner_uin, first.component_code, success.usage_date]
    counts_by_date[charged_on][0] += 1
    if void_on is not None:
        counts_by_date[void_on][1] += 1


def _void_on(call: Sequence[_Record]) -> date | None:
    """The date from which a call is not billed, since a record of it failed, or names another
    account or component than the first."""
    named = (call[0].owner_uin, call[0].component_code)
    return next(
        (r.settled_on for r in call if r.is_failure or (r.owner_uin, r.component_code) != named),
        None,
    )
