"""The bill that every engine computes: successful calls, each request id once, with their cost, by
account and usage date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

PRICE_PER_CALL = Decimal("0.06")


def bill_text(rows: Iterable[tuple[Any, ...]]) -> str:
    """A bill as text, to compare with another's. Rows are owner, usage date, calls, amount."""
    lines = sorted(
        f"{owner} {usage_date} {calls} {Decimal(str(amount)):.8f}"
        for owner, usage_date, calls, amount in rows
    )
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return json.dumps({"lines": len(lines), "digest": digest})
