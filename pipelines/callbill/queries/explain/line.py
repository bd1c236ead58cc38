"""A bill line, from its amount down to the records and files behind it."""

from __future__ import annotations

from callbill.base.errors import UsageError
from callbill.base.settings import Settings
from callbill.queries.explain.books import Books, open_books
from callbill.queries.explain.price import price_of_line
from callbill.queries.explain.records import add_records
from callbill.warehouse.warehouse import Record

# A line covers calls of one settlement date, account, component and usage date. If its number of
# calls is negative it takes them back, otherwise it charges them.
_CALLS_CHARGED = """
    select c as call
    from published_calls as c
    where
        settled_on = $settled_on and owner_uin = $owner_uin
        and component_code = $component_code and usage_date = $usage_date
        and calls_billed > 0
"""
_CALLS_TAKEN_BACK = _CALLS_CHARGED.replace("calls_billed > 0", "calls_billed < 0")
# A re-rating is of all calls that stood charged before its date.
_CALLS_RERATED = """
    select min_by(c, settled_on) as call
    from published_calls as c
    where
        settled_on < $settled_on and owner_uin = $owner_uin
        and component_code = $component_code and usage_date = $usage_date
        and calls_billed <> 0
    group by request_id
    having sum(calls_billed) > 0
"""
# A waiver takes back calls that stand charged on its date.
_CALLS_WAIVED = _CALLS_RERATED.replace("settled_on <", "settled_on <=")
_NO_LIMIT = 1 << 62


def explain_line(settings: Settings, line_id: str, *, limit: int | None) -> Record:
    """A bill line with its price, its contract, and its calls, at most `limit`, with their records.
    Its id may be cut short. Of a candidate's line neither records nor where prices come from are
    known.

    Raises UsageError if the release has no such line, or several, LockedError while a run has the
    warehouse.
    """
    with open_books(settings) as books:
        line = _find_line(books, line_id)
        calls, call_count = _calls_of_line(books, line, limit)
        add_records(books, calls, line["settled_on"])
        return {
            "line": line,
            "price": price_of_line(books, line),
            "calls": calls,
            "calls_in_all": call_count,
            "has_records": books.has_records,
        }


def _find_line(books: Books, line_id: str) -> Record:
    """The line whose id begins so. Raises UsageError."""
    lines = books.rows(
        "from release.billing.bill_lines where starts_with(line_id, ?) and ? <> ''",
        [line_id, line_id],
    )
    if len(lines) > 1:
        raise UsageError(f"{len(lines)} bill lines begin with {line_id}: give more digits")
    if not lines:
        raise UsageError(
            f"the release has no bill line {line_id}; their ids are in "
            "billing.bill_lines.line_id, and `callbill bill --ids` shows them"
        )
    return lines[0]


def _calls_of_line(books: Books, line: Record, limit: int | None) -> tuple[list[Record], int]:
    """The calls that a line charges, takes back or re-rates, and how many there are."""
    if line["line_type"] == "rerating":
        query = _CALLS_RERATED
    elif line.get("waiver_id"):
        query = _CALLS_WAIVED
    else:
        query = _CALLS_TAKEN_BACK if line["calls"] < 0 else _CALLS_CHARGED
    key = ("settled_on", "owner_uin", "component_code", "usage_date")
    rows = books.rows(
        f"""
        select call, count(*) over () as call_count from ({query})
        order by call.called_at, call.request_id
        limit {_NO_LIMIT if limit is None else limit}
        """,
        {name: line[name] for name in key},
    )
    return [row["call"] for row in rows], rows[0]["call_count"] if rows else 0
