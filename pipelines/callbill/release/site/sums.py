"""What the overview says of whole months.

Of many accounts such a sum takes a part of a second. A release writes it down beside the scripts of
its month, and the next one links it unless its run changed the month.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import duckdb

from callbill.release.site.data import Data, month_of, query_of
from callbill.release.site.rows import rows_of
from callbill.storage.files import link_or_copy

# The tables. Their queries are `month_<table>`.
SUMS = ("totals", "used", "changes", "callers")
# How many rows a table has that may grow with the number of accounts.
MOST_ROWS = 20
# How many callers the overview names. All others are one row.
_TOP_CALLERS = 10


def sums_of_months(
    con: duckdb.DuckDBPyConnection, data: Data, through: date, table: str
) -> list[dict[str, Any]]:
    """The rows of a table, as of the last date that is settled."""
    if table == "used":
        return [row for month in data.months for row in _rows(con, data, month, table)]
    totals = [
        row | {"is_final": _end(month_of(row["bill_month"])) <= through}
        for month in data.months
        for row in _rows(con, data, month, "totals")
    ]
    if table == "totals":
        return totals
    ended = [row["bill_month"] for row in totals if row["is_final"]]
    # Changes are those of the last month that has ended. As long as none has, the callers are those
    # of the first month.
    if not ended and table == "callers":
        ended = [row["bill_month"] for row in totals[-1:]]
    return _rows(con, data, month_of(ended[0]), table) if ended else []


def _rows(
    con: duckdb.DuckDBPyConnection, data: Data, month: date, table: str
) -> list[dict[str, Any]]:
    """A table's rows of a month, which may depend on the names of accounts and, of changes, on the
    month before.

    The file's name is a hash of the query: rows of another query are not taken.
    """
    query = query_of(f"month_{table}", month=month, most_rows=MOST_ROWS, top_callers=_TOP_CALLERS)
    name = f"{month:%Y-%m}/{table}-{sha256(query.encode()).hexdigest()[:16]}.json"
    depends_on = {month}
    is_named = table in ("changes", "callers")
    if table == "changes":
        depends_on.add((month - timedelta(days=1)).replace(day=1))
    before = data.before / name if data.before else None
    is_changed = bool(depends_on & data.changed) or (is_named and data.names_changed)
    file = data.path / name
    if not file.exists():
        if before is not None and not is_changed and before.exists():
            link_or_copy(before, file)
        else:
            file.write_text(json.dumps(rows_of(con, query)), encoding="utf-8")
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return rows


def _end(month: date) -> date:
    """The first day of the month after."""
    return (month + timedelta(days=31)).replace(day=1)
