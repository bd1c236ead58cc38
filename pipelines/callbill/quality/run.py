"""Runs controls against a warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from callbill.quality.catalogue import Control
from callbill.quality.lean_import import import_expectations
from callbill.quality.results import ControlReport


def run_controls(
    database: Path,
    controls: Sequence[Control],
    *,
    sample_rows: int = 20,
    timezone: str = "UTC",
    heading: str = "this run",
) -> ControlReport:
    """Run every control against the committed data of a DuckDB file, each SQL exactly once.

    This process may already have the file open, with DuckDB's default configuration. What it has
    `set` since holds here too, except for the session's time zone, which is `timezone`.

    Results come in the order of the controls; `heading` is what the page calls the run. If a
    control cannot be evaluated, the others still run. BrokenControlError then names all that could
    not.
    """
    if not database.exists():
        raise FileNotFoundError(f"no database at {database}")
    if len({control.id for control in controls}) < len(controls):
        raise ValueError("two controls have the same id")
    if sample_rows < 1:
        raise ValueError(f"sample_rows must be at least 1, not {sample_rows}")
    if not controls:
        return ControlReport()
    report: ControlReport = import_expectations().run_controls(
        database, controls, sample_rows=sample_rows, timezone=timezone, heading=heading
    )
    return report
