"""Runs of the product that several tests share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
CALLBILL = Path(sys.executable).with_name("callbill")

# The last day of the sample's story.
SAMPLE_THROUGH = "2026-10-02"

Run = Callable[..., subprocess.CompletedProcess[str]]


def callbill(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The product's own command, as a scheduler starts it."""
    return subprocess.run(
        [CALLBILL, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False
    )


def run_job(place: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`callbill run` with a folder's own landing, warehouse and published places."""
    return callbill("run", *places(place), *arguments)


def places(place: Path) -> tuple[str, ...]:
    return (
        f"--landing={place / 'landing'}",
        f"--warehouse={place / 'warehouse.duckdb'}",
        f"--published={place / 'published'}",
    )


@pytest.fixture(scope="session")
def sample_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the sample was run once, through its last day."""
    place = tmp_path_factory.mktemp("sample")
    (place / "landing").symlink_to(PROJECT / "sample" / "landing")
    ended = run_job(place, "--through", SAMPLE_THROUGH)
    assert ended.returncode == 0, ended.stderr
    return place


@pytest.fixture(scope="session")
def sample_release(sample_place: Path) -> Path:
    """The published folder of the sample's run."""
    return sample_place / "published"
