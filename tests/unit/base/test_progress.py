"""What is logged where no terminal is, for people and for programs."""

from __future__ import annotations

import json

import pytest
from callbill.base.progress import Reporter

BILLS = [{"month": "2026-09", "calls": 4}]


def test_people_read_lines_and_no_lists_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter()
    with reporter.step("build", through="2026-09-02"):
        reporter.log("first settlement", days=2, bills=BILLS)
    with reporter.step("import"):
        pass
    assert capsys.readouterr().err.splitlines() == [
        "step build: through=2026-09-02",
        "first settlement: days=2",
        "step import",
    ]


def test_programs_read_everything(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter(json_logs=True)
    with reporter.step("build", through="2026-09-02"):
        reporter.log("first settlement", days=2, bills=BILLS)
    step, settled = map(json.loads, capsys.readouterr().err.splitlines())
    assert (step["event"], step["step"], step["through"]) == ("step", "build", "2026-09-02")
    assert settled["bills"] == BILLS
