"""What became of a request id: the lines that its calls are in, or why they are in none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from callbill.base.settings import Settings
from callbill.queries.explain.books import Books, open_books
from callbill.queries.explain.records import add_records, records_of
from callbill.warehouse.warehouse import Record

# By the disposition that a call has on a date: why it is not in the bill by then.
WHY_NOT_BILLED = {
    "failed": "a record of it says that it failed; a failed call is never billed",
    "conflict": "its records name several accounts or components; such a call is billed to none",
    "duplicate": "it was charged on an earlier date; a re-delivery costs nothing",
    "unrated": "no component claims its action, or its usage lies before the first list price",
    "too_old": "its usage was too old on the date on which it would have been settled",
    "reversed": "it was charged before and is void since",
}

_LINES_OF_CALL = """
    from release.billing.bill_lines
    where
        settled_on = ? and owner_uin = ? and component_code = ? and usage_date = ?
        and list_contains(?, line_type)
"""
_RERATINGS_OF_CALL = """
    from release.billing.bill_lines
    where
        settled_on > ? and settled_on <= ? and owner_uin = ? and component_code = ?
        and usage_date = ? and line_type = 'rerating'
    order by settled_on, calls
"""
_WITHDRAWN = """
    select distinct files.path, files.quarantine_reason, records.source_file_id
    from raw.call_logs_loaded as records
    inner join ops.source_files as files
        on records.source_file_id = files.source_file_id and files.feed = 'call_logs'
    where records.request_id = ? and files.quarantine_reason is not null
    order by all
"""
_REJECTED = """
    select path, line_number, reason, fields
    from ops.rejected_records
    where feed = 'call_logs' and json_extract_string(fields, '$.request_id') = ?
    order by path, line_number
"""
_REJECTED_OF_CANDIDATE = _REJECTED.replace("from ops.", "from release.ops.")


def explain_request(settings: Settings, request_id: str) -> Record:
    """The calls of a request id by settlement date, each with its lines and records; and what is in
    no call: records that wait for a later date, withdrawn files, rejected lines.

    Raises LockedError while a run has the warehouse.
    """
    with open_books(settings) as books:
        through = books.manifest.through
        calls = books.rows(
            "from published_calls where request_id = ? order by settled_on", [request_id]
        )
        for call in calls:
            call["why_not_billed"] = WHY_NOT_BILLED.get(call["disposition"])
        add_records(books, calls, known_on=date.max)
        for call in calls:
            if call["disposition"] in ("billed", "reversed"):
                call["lines"] = _lines_of_call(books, call, calls)
        return {
            "request_id": request_id,
            "calls": calls,
            "waiting": records_of(books, [request_id], through + timedelta(days=1), date.max),
            "withdrawn": books.rows(_WITHDRAWN, [request_id]) if books.has_records else [],
            "rejected": books.rows(
                _REJECTED if books.has_records else _REJECTED_OF_CANDIDATE, [request_id]
            ),
            "has_records": books.has_records,
            "through": through,
        }


def _lines_of_call(books: Books, call: Record, calls: Sequence[Record]) -> list[Record]:
    """The lines that charge or take back a call, and those that gave it another price."""
    usage = [call[name] for name in ("owner_uin", "component_code", "usage_date")]
    if call["disposition"] == "reversed":
        return books.rows(_LINES_OF_CALL, [call["settled_on"], *usage, ["correction"]])
    charged = books.rows(_LINES_OF_CALL, [call["settled_on"], *usage, ["usage", "late_usage"]])
    until = taken_back_on(call, calls) or date.max
    return charged + books.rows(_RERATINGS_OF_CALL, [call["settled_on"], until, *usage])


def taken_back_on(call: Record, calls: Sequence[Record]) -> date | None:
    """The settlement date on which a call that was billed is reversed; None if it is not."""
    reversals: list[date] = [
        later["settled_on"]
        for later in calls
        if later["disposition"] == "reversed" and later["settled_on"] > call["settled_on"]
    ]
    return min(reversals, default=None)
