"""What the end of a run shows, of made-up summaries."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from callbill.base.findings import ControlResult
from callbill.base.settings import Settings
from callbill.cli.show.run import show_run
from callbill.ingest.committing import LoadReport
from callbill.ingest.landing import Skipped, Waiting
from callbill.jobs.summary import RunSummary

DAY = date(2026, 3, 2)


def shown(summary: RunSummary, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show_run(Settings(published=Path("/nowhere/published")), summary)
    return capsys.readouterr().out.splitlines()


def summary_of(**others: object) -> RunSummary:
    return RunSummary("run", DAY, outcome="dry_run", settle_from=DAY, **others)  # type: ignore[arg-type]


def test_of_many_files_that_wait_five_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    loaded = LoadReport(
        waiting=[Waiting(f"w{n:02}", DAY + timedelta(days=n)) for n in range(60)],
        skipped=[Skipped(f"s{n:02}", "is empty") for n in range(6)],
        warnings=[f"warning {n}" for n in range(7)],
    )
    lines = shown(summary_of(loaded=loaded), capsys)
    waits = [line for line in lines if line.startswith("Waits: ")]
    assert [line.split(":")[1].strip() for line in waits] == [f"w{n:02}" for n in range(5)]
    assert lines[lines.index(waits[-1]) + 1] == "  and 55 more that wait"
    # No warning is left out, and no file that will never be read.
    assert len([line for line in lines if line.startswith("Not read: ")]) == 6
    assert len([line for line in lines if line.startswith("Warning: ")]) == 7


def test_a_control_that_found_something_says_where_it_is_explained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = ControlResult("shares_are_usual", "Shares are usual.", "no", "warning", False, 1, [{}])
    lines = shown(summary_of(results=[found]), capsys)
    assert "What to do: docs/controls.md, or Data Docs on the site" in lines
    passed = ControlResult("shares_are_usual", "Shares are usual.", "no", "warning", True, 0, [])
    lines = shown(summary_of(results=[passed]), capsys)
    assert not [line for line in lines if "What to do" in line]
