"""What checks come to: plain data that whoever checks makes and whoever shows prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class ControlResult:
    """What one control found."""

    control_id: str
    sentence: str
    expected: str
    severity: Severity
    passed: bool
    unexpected_rows: int
    sample: list[dict[str, str | None]]
    """The first of the unexpected rows in the order of their columns, each value as DuckDB prints
    it, so that the same data gives the same sample on every machine."""


@dataclass(frozen=True)
class TableDifference:
    """Rows in which two tables of one name differ, or two computations of one table."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
