"""The records of calls, as they were loaded, with the files that they came in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from callbill.queries.explain.books import Books
from callbill.warehouse.warehouse import Record

_RECORDS = (Path(__file__).parent / "records.sql").read_text(encoding="utf-8")


def records_of(
    books: Books, request_ids: Sequence[str], earliest: date, latest: date
) -> list[Record]:
    """The records of some calls that were settled, or wait to be, between two dates. Of a
    candidate's calls none are known."""
    if not books.has_records:
        return []
    return books.rows(_RECORDS, [request_ids, earliest, latest])


def add_records(books: Books, calls: Sequence[Record], known_on: date) -> None:
    """Give each call its `records`: those known by a date."""
    if not calls:
        return
    # A chain of re-deliveries may reach far back. What made a call lies within the horizon.
    horizon = timedelta(days=books.billing_vars.horizon_days)
    records = records_of(
        books,
        [call["request_id"] for call in calls],
        earliest=min(call["settled_on"] for call in calls) - horizon,
        latest=min(known_on, books.manifest.through),
    )
    by_request: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_request[record["request_id"]].append(record)
    for call in calls:
        call["records"] = by_request[call["request_id"]]
