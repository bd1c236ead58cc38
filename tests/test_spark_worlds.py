"""With Spark scenarios and generated worlds come to the same bills, night by night."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from tests.conftest import figures, run_job, run_on_spark, succeed
from tests.reference import landing, worlds
from tests.reference.inputs import Settings, World
from tests.reference.worlds import LAST_DAY
from tests.test_scenarios import publish

pytestmark = pytest.mark.spark


def test_scenarios(tmp_path_factory: pytest.TempPathFactory) -> None:
    on_duckdb = publish(tmp_path_factory, run_job)
    on_spark = publish(tmp_path_factory, run_on_spark)
    assert len(set(on_spark.values())) > 1
    for name, place in on_spark.items():
        assert figures(place) == figures(on_duckdb[name]), name


def check_worlds(folder: Path, world: World) -> None:
    """Night by night."""
    for number, through in enumerate(world.runs):
        for place, run in ((folder / "duckdb", run_job), (folder / "spark", run_on_spark)):
            landing.write(world, place / "landing", number)
            said = vars(world.settings)
            succeed(run(place, "--through", through, "--vars", json.dumps(said)))
        assert figures(folder / "spark") == figures(folder / "duckdb"), f"run {number}"


def test_generated_worlds(tmp_path: Path) -> None:
    check_worlds(tmp_path, worlds.sample(count=60, seed=1))


def test_generated_worlds_under_other_vars(tmp_path: Path) -> None:
    settings = Settings(
        deduction_rounding="down",
        billing_timezone="America/New_York",
        max_usage_age_days=3,
        dedup_horizon_days=31,
    )
    runs = [date(2024, 3, 4), LAST_DAY]
    check_worlds(tmp_path, worlds.sample(count=40, seed=2, runs=runs, settings=settings))
