"""Results of checks, as plain data: controls and comparisons make them, the command shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class ControlResult:
    """The result of one control."""

    control_id: str
    sentence: str
    expected: str
    severity: Severity
    passed: bool
    unexpected_rows: int
    sample: list[dict[str, str | None]]
    """The smallest unexpected rows, ordered by all their columns, each value as DuckDB prints it.
    So the same data gives the same sample on every machine."""
    by_account: Sequence[tuple[str | None, int]] = ()
    """Where there are more rows than the sample has: the accounts with the most, and how many."""


@dataclass(frozen=True)
class TableDifference:
    """The rows in which two versions or two computations of a table differ."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class UnbilledCalls:
    """Successful calls of one action that are not in the bill for one reason."""

    reason: str
    """unrated, too_old, conflict or waiting."""
    action: str | None
    """With the attributes that claims of it ask for, if any. None for all actions but those with
    the most calls."""
    calls: int
    accounts: int
    cost: Decimal | None
    """What they would have cost, in CNY, as far as prices are known. None if none is."""
    unclaimed: int = 0
    """How many of them no component claims."""
