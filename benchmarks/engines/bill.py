"""What every engine is asked for: calls and money by account and usage date of successful calls,
each id once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

PRICE_PER_CALL = Decimal("0.06")


def tell(rows: Iterable[tuple[Any, ...]]) -> str:
    """A bill told so that two can be compared: rows are owner, usage date, calls, amount."""
    lines = sorted(
        f"{owner} {usage_date} {calls} {Decimal(str(amount)):.8f}"
        for owner, usage_date, calls, amount in rows
    )
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return json.dumps({"lines": len(lines), "digest": digest})
