"""The story, settled in one run and night after night."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import run_job
from tests.support.shared import make_once
from tests.support.story import (
    READER,
    land_story,
)


@pytest.fixture(scope="module")
def once() -> Path:
    """The story settled in one run."""
    return make_once("once", _settle_once)


def _settle_once(place: Path) -> None:
    land_story(place)
    ended = run_job(place, "--through", "2026-03-06")
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def nightly() -> Path:
    """The story settled day by day, with a reader that holds the first release open."""
    return make_once("nightly", _settle_nightly)


def _settle_nightly(place: Path) -> None:
    land_story(place)
    reader = None
    for day in range(2, 7):
        ended = run_job(place, "--through", f"2026-03-0{day}")
        assert ended.returncode == 0, ended.stderr
        if reader is None:
            database = place / "published" / "current" / "callbill.duckdb"
            reader = subprocess.Popen(
                [sys.executable, "-c", READER, str(database)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert reader.stdout is not None
            assert reader.stdout.readline() == "3\n"
    assert reader is not None
    out, _ = reader.communicate("again\n", timeout=60)
    assert out == "3\n"
