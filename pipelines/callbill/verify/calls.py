"""Which calls are charged, and which are taken back, on which settlement date.

A copy on purpose of the models int_calls_once, int_calls_again, int_waiting_charges and
int_charges, and of the horizon (macro dedup_horizon_days, BillingVars.horizon_days). The models
look at all dates at once. Here a call goes through them one by one.

Records are spilled to Parquet in buckets, by a hash of their request id, so that only one bucket is
in memory at a time. A bucket comes to few counts: by account, component, usage date and settlement
date.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
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
# Of some request ids: by what was charged, 1 on the date of a charge, -1 on that of its reversal.
Requests = dict[str, dict[Usage, dict[date, int]]]


class Spill:
    """Records put aside in a folder, to be read back bucket by bucket."""

    def __init__(self, folder: Path, buckets: int) -> None:
        self._folder = folder
        self._buckets = buckets
        self._written: list[tuple[int, Path, int]] = []
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = 0
        self._parts = 0

    def add(self, records: pl.DataFrame) -> None:
        self._pending.append(records)
        self._pending_rows += len(records)
        if self._pending_rows >= _ROWS_A_SPILL:
            self._write()

    def buckets(self) -> Iterator[pl.DataFrame]:
        """All records, a bucket at a time. A call is in one bucket only."""
        for _bucket, parts in groupby(sorted(self.parts()), key=lambda part: part[0]):
            yield pl.read_parquet([path for _bucket, path, _rows in parts], glob=False)

    def parts(self) -> list[tuple[int, Path, int]]:
        """The files that hold all records: of each its bucket and how many records it has."""
        self._write()
        return self._written

    def _write(self) -> None:
        if not self._pending:
            return
        bucket = pl.col("request_key").hash(0) % self._buckets
        records = pl.concat(self._pending).with_columns(bucket=bucket)
        self._pending, self._pending_rows = [], 0
        for (number,), part in records.partition_by(
            "bucket", as_dict=True, include_key=False
        ).items():
            path = self._folder / f"{number}-{self._parts}.parquet"
            part.write_parquet(path)
            self._written.append((number, path, len(part)))
        self._parts += 1


def buckets_for(total_bytes: int) -> int:
    """Into how many buckets the records of so many bytes of files are divided."""
    return 1 + total_bytes // _BYTES_A_BUCKET


@dataclass(frozen=True)
class Rules:
    """What decides when a call is charged. Calls without a price wait since `calls_wait_from`."""

    book: PriceBook
    max_age_days: int
    horizon_days: int
    calls_wait_from: date
    through: date
    requests: Requests

    @cached_property
    def _news_for_all(self) -> list[date]:
        return self._news_of("")

    def _news_of(self, owner: str) -> list[date]:
        dates = {*self.book.catalogue_dates(owner), self.calls_wait_from}
        return sorted(day for day in dates if self.calls_wait_from <= day <= self.through)

    def news(self, owner: str) -> list[date]:
        """The settlement dates on which calls of an account may be charged that had no price
        before."""
        has_own = owner in self.book.account_attributes
        return self._news_of(owner) if has_own else self._news_for_all

    def charged_on(
        self, action: str, usage_date: date, settled_on: date, attributes: str, owner: str
    ) -> date | None:
        """When a success is charged that was not too old on its own date, if nothing voids it: on
        that date, or on the first one on which the catalogue rates it."""

        def is_rated(day: date) -> bool:
            book = self.book
            return book.rated_component(action, usage_date, day, attributes, owner) is not None

        if is_rated(settled_on):
            return settled_on
        for day in self.news(owner):
            if day > settled_on and is_rated(day):
                return day if (day - usage_date).days <= self.max_age_days else None
        return None


def charges_of(
    buckets: Iterable[pl.DataFrame],
    book: PriceBook,
    billing_vars: BillingVars,
    through: date,
    calls_wait_from: date = date.min,
    requests: Requests | None = None,
) -> Charges:
    """The calls charged and taken back on settlement dates up to `through`. A call is in one bucket
    only. What becomes of the request ids in `requests` is written there too."""
    requests = {} if requests is None else requests
    charges: Charges = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    horizon_days = max(billing_vars.dedup_horizon_days, billing_vars.max_usage_age_days)
    rules = Rules(
        book, billing_vars.max_usage_age_days, horizon_days, calls_wait_from, through, requests
    )
    for bucket in buckets:
        # A record that is delivered again for the same date adds nothing.
        records = bucket.filter(pl.col("settled_on") <= through).unique()
        is_single = pl.col("request_key").is_unique() & ~pl.col("request_key").is_in(list(requests))
        _charge_calls_of_one_record(records.filter(is_single), rules, charges)
        _charge_calls_of_several_records(records.filter(~is_single), rules, charges)
    return charges


def _charge_calls_of_one_record(records: pl.DataFrame, rules: Rules, charges: Charges) -> None:
    """A call of one record is charged if it is a success, is young enough, and has a price."""
    counts = (
        records.filter(~pl.col("is_failure") & ~pl.col("is_too_old"))
        .group_by("owner_uin", "owner_key", "action", "attributes", "usage_date", "settled_on")
        .len()
    )
    for owner_uin, owner, action, attributes, usage_date, settled_on, calls in counts.iter_rows():
        day = rules.charged_on(action, usage_date, settled_on, attributes, owner)
        component = day and rules.book.rated_component(action, usage_date, day, attributes, owner)
        if day and component:
            charges[owner_uin, component, usage_date][day][0] += calls


class _Record(NamedTuple):
    """Up to its attributes, what tells which record of a call is its earliest."""

    request_key: str
    settled_on: date
    called_us: int
    operate_uin: str
    action: str
    attributes: str
    usage_date: date
    request_id: str
    owner_uin: str
    owner_key: str
    is_failure: bool
    is_too_old: bool


def _charge_calls_of_several_records(records: pl.DataFrame, rules: Rules, charges: Charges) -> None:
    """Records of one request id, in order of time."""
    in_order = records.select(_Record._fields).sort(_Record._fields)
    rows = (_Record(*row) for row in in_order.iter_rows())
    for _, same_request in groupby(rows, key=attrgetter("request_key")):
        _charge_calls_of_a_request(list(same_request), rules, charges)


def _charge_calls_of_a_request(records: Sequence[_Record], rules: Rules, charges: Charges) -> None:
    """Up to 0.6 an id written in two ways was two. What became of them stays, and what comes later
    belongs to the one that was charged."""
    older = [record for record in records if record.settled_on < rules.calls_wait_from]
    by_text: defaultdict[str, list[_Record]] = defaultdict(list)
    for record in older:
        by_text[record.request_id].append(record)
    left = [
        call
        for some in by_text.values()
        for call in [_go_through(some, None, rules, charges)]
        if call is not None
    ]
    going_on = None
    if len(left) == 1:
        [going_on] = left
    elif left:
        several = [call for call in left if len(call.dates) > 1]
        going_on = (
            max(several, key=lambda call: (call.is_in_bill, call.linked_until))
            if several
            else min(left, key=lambda call: (not call.is_in_bill, call.linked_until))
        )
        if not going_on.is_in_bill and not several:
            going_on.records = sorted(record for call in left for record in call.records)
    newer = [record for record in records if record.settled_on >= rules.calls_wait_from]
    last = _go_through(newer, going_on, rules, charges)
    if last is not None:
        last.charge_by(rules.through)


def _go_through(
    records: Sequence[_Record], call: _Call | None, rules: Rules, charges: Charges
) -> _Call | None:
    """Add the records of one request to its call, date by date. Records beyond the horizon are
    another call. The last one is the result."""
    for day, of_day in groupby(records, key=attrgetter("settled_on")):
        if call is not None:
            call.charge_by(day - timedelta(1))
            if (day - call.linked_until).days > rules.horizon_days:
                call = None
        if call is None:
            call = _Call(rules, charges)
        call.add(day, list(of_day))
    return call


class _Call:
    """A call as it is known after some of its records."""

    def __init__(self, rules: Rules, charges: Charges) -> None:
        self._rules = rules
        self._charges = charges
        self.records: list[_Record] = []
        self._charged: _Record | None = None
        self._component = ""
        self._charged_on: date | None = None
        self._is_void = False
        self._waits_for_nothing = False

    @property
    def dates(self) -> set[date]:
        return {record.settled_on for record in self.records}

    @property
    def linked_until(self) -> date:
        """The last date that a later record can belong to this call by."""
        return max(self.dates | ({self._charged_on} if self._charged_on else set()))

    @property
    def is_in_bill(self) -> bool:
        return self._charged is not None and not self._is_void

    def add(self, day: date, records: list[_Record]) -> None:
        """Take up the records of a date."""
        self.records += records
        if not self._is_void and self._is_voided_by(day, records):
            self._is_void = True
            if self._charged is not None:
                self._counts(self._charged)[day][1] += 1
                self._tell(self._charged, day, -1)
        self._charge(day)

    def charge_by(self, last: date) -> None:
        """Charge the call if it has waited for a date up to this one."""
        success = self._success()
        if success is not None:
            day = self._when_charged(success)
            if day is not None and day <= last:
                self._charge(day)

    def _success(self) -> _Record | None:
        """The record that the call is charged for, unless something voids it."""
        return next((r for r in self.records if not r.is_failure and not r.is_too_old), None)

    def _when_charged(self, success: _Record) -> date | None:
        return self._rules.charged_on(
            success.action,
            success.usage_date,
            success.settled_on,
            success.attributes,
            success.owner_key,
        )

    def _charge(self, day: date) -> None:
        success = self._success()
        if success is None or self._charged or self._is_void or self._waits_for_nothing:
            return
        rules = self._rules
        if self._when_charged(success) != day:
            return
        self._waits_for_nothing = True
        component = self._component_on(success, day)
        if day > success.settled_on and any(
            self._component_on(record, day) != component
            for record in self.records
            if (day - record.settled_on).days <= rules.horizon_days
        ):
            return
        self._charged, self._component, self._charged_on = success, component, day
        self._counts(success)[day][0] += 1
        self._tell(success, day, 1)

    def _is_voided_by(self, day: date, records: list[_Record]) -> bool:
        """Whether a record of the date failed, or names another account or component than those
        before. Components are those that are claimed on one date: until calls waited on the date of
        each record, since then on the date of the newest."""
        if any(record.is_failure for record in records):
            return True
        if day < self._rules.calls_wait_from:
            return (
                len({record.owner_uin for record in self.records}) > 1
                or len({self._component_on(r, r.settled_on) for r in self.records}) > 1
            )
        standing = self._charged or self.records[0]
        return (
            len({record.owner_key for record in self.records}) > 1
            or len({self._component_on(record, day) for record in [standing, *records]}) > 1
        )

    def _component_on(self, record: _Record, day: date) -> str:
        return (
            self._rules.book.component(
                record.action, record.usage_date, day, record.attributes, record.owner_key
            )
            or ""
        )

    def _counts(self, charged: _Record) -> dict[date, list[int]]:
        return self._charges[charged.owner_uin, self._component, charged.usage_date]

    def _tell(self, charged: _Record, day: date, calls: int) -> None:
        """Note what becomes of the request id, if that is asked for."""
        if charged.request_key in self._rules.requests:
            usage = charged.owner_uin, self._component, charged.usage_date
            by_usage = self._rules.requests[charged.request_key]
            by_usage.setdefault(usage, {})[day] = calls
