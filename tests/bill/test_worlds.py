"""The product against the independent model, on generated worlds.

A world is what landed when, made to collide: re-deliveries, late and void calls, month ends,
contracts known late. Many worlds share one run. Every published table must equal the model's.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.bill.reference import landing, worlds
from tests.bill.reference.inputs import Settings
from tests.bill.reference.worlds import LAST_DAY
from tests.support.project_copy import ProjectCopy
from tests.support.worlds import check


def test_generated_worlds_equal_the_model(tmp_path: Path) -> None:
    check(tmp_path, worlds.sample(count=60, seed=1))


@pytest.mark.parametrize(
    "settings",
    [
        # A day of 23 and one of 25 hours, midnight in the afternoon of Beijing.
        Settings(deduction_rounding="down", billing_timezone="America/New_York"),
        # What is a re-delivery for longer than it can be charged, and the reverse.
        Settings(max_usage_age_days=3, dedup_horizon_days=31),
        Settings(max_usage_age_days=70, dedup_horizon_days=2),
    ],
    ids=["rounding down in another time zone", "short age", "short horizon"],
)
def test_worlds_under_other_vars_equal_the_model(tmp_path: Path, settings: Settings) -> None:
    runs = [date(2024, 3, 4), LAST_DAY]
    check(tmp_path, worlds.sample(count=30, seed=2, runs=runs, settings=settings))


def test_worlds_of_several_products_and_changing_list_prices_equal_the_model(
    tmp_path: Path,
) -> None:
    project = ProjectCopy.in_folder(tmp_path / "project")
    landing.write_seeds(project.folder / "seeds", worlds.ROUGH_SEEDS)
    runs = [date(2024, 3, 4), date(2024, 4, 1), LAST_DAY]
    world = worlds.sample(count=40, seed=3, runs=runs, seeds=worlds.ROUGH_SEEDS)
    check(tmp_path, world, project.run_job)


def test_worlds_of_catalogues_that_grow_equal_the_model(tmp_path: Path) -> None:
    project = ProjectCopy.in_folder(tmp_path / "project")
    runs = [date(2024, 3, 4), date(2024, 3, 6), date(2024, 4, 1), date(2024, 4, 9), LAST_DAY]
    world = worlds.growing(count=40, seed=4, runs=runs)
    check(tmp_path, world, project.run_job, project.folder / "seeds")
