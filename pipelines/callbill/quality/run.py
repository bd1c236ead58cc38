"""Runs controls on a warehouse. This is the interface to `expectations`."""

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
    """Run every control's query once on the committed data of a DuckDB file.

    This process may have the file open already, if with DuckDB's default configuration. Its global
    settings apply here too. The session's time zone is `timezone`.

    The results are in the order of `controls`, each with at most `sample_rows` sample rows.
    `heading` is the page's name for the run.

    If a control cannot be evaluated, the others still run. Then BrokenControlError is raised, which
    names all that could not. Raises FileNotFoundError if there is no file, ValueError if two
    controls have one id or `sample_rows` is below 1.
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
