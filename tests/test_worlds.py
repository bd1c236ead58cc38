"""The product against the independent model, on generated worlds.

A world is what landed when, made to collide: re-deliveries, late and void calls, month ends,
contracts known late. Many worlds share one run. Every published table must equal the model's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import run_job
from tests.reference import compare, landing, worlds
from tests.reference.model import tables


def settle(place: Path, count: int, seed: int) -> None:
    """Run a sample of worlds through their schedule and hold each release against the model."""
    world = worlds.sample(count, seed)
    for number, through in enumerate(world.runs):
        landing.write(world, place / "landing", number)
        ended = run_job(place, "--through", through)
        assert ended.returncode == 0, ended.stderr
        expected = tables(replace(world, runs=world.runs[: number + 1]))
        differences = compare.differences(place / "published", expected, ops=compare.OpsColumns())
        assert differences == [], f"{count} worlds of seed {seed}, run {number}"


def test_generated_worlds_equal_the_model(tmp_path: Path) -> None:
    settle(tmp_path, count=60, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 120))
def test_many_more_worlds_equal_the_model(tmp_path: Path, seed: int) -> None:
    settle(tmp_path, count=400, seed=seed)
