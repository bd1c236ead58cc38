"""`callbill explain`: why a bill line is what it is, and what became of a call.

line.py      a bill line: its price, the contract behind it, its calls and their records
price.py     the list price and the contract version behind a line's price
request.py   a request id: its calls, the lines they are in, or why they are in none
records.py   the records of calls, as they were loaded
books.py     where all this is read: the current release beside the warehouse

Facts are plain rows. Money stays a Decimal, so that a reader can compute a line again.
"""

from __future__ import annotations

from callbill.queries.explain.line import explain_line
from callbill.queries.explain.request import WHY_NOT_BILLED, explain_request

__all__ = ["WHY_NOT_BILLED", "explain_line", "explain_request"]
