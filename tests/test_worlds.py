"""The product against the independent model, on generated worlds.

A world is what landed when, made to collide: re-deliveries, late and void calls, month ends,
contracts known late. Many worlds share one run. Every published table must equal the model's.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.conftest import ProjectCopy, Run, query, run_job
from tests.reference import compare, landing, worlds
from tests.reference.inputs import Seeds, Settings, World
from tests.reference.model import tables
from tests.reference.worlds import LAST_DAY

# What FOCUS has an account billed in a period that is not what was deducted.
BILLED_OTHERWISE = """
    select *
    from (
        select BillingAccountId as owner_uin, sum(BilledCost) as billed,
            timezone('{}', BillingPeriodStart)::date as bill_month
        from billing.focus_cost_and_usage group by all
    ) as focus
    full join (
        select owner_uin, bill_month, sum(deducted_amount) as deducted
        from billing.settlements group by all
    ) as deductions using (owner_uin, bill_month)
    where billed is distinct from deducted
"""


def check(place: Path, world: World, run: Run = run_job) -> None:
    """Run worlds through their schedule and hold each release against the model."""
    for number, through in enumerate(world.runs):
        landing.write(world, place / "landing", number)
        ended = run(place, "--through", through, "--vars", json.dumps(vars(world.settings)))
        assert ended.returncode == 0, ended.stderr
        expected = tables(replace(world, runs=world.runs[: number + 1]))
        differences = compare.differences(place / "published", expected, ops=compare.OpsColumns())
        assert differences == [], f"run {number}"
        billed_otherwise = BILLED_OTHERWISE.format(world.settings.billing_timezone)
        assert query(place, billed_otherwise) == [], f"run {number}"


def settle(place: Path, count: int, seed: int) -> None:
    check(place, worlds.sample(count, seed))


def test_generated_worlds_equal_the_model(tmp_path: Path) -> None:
    settle(tmp_path, count=60, seed=1)


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
    write_seeds(project.folder / "seeds", worlds.ROUGH_SEEDS)
    runs = [date(2024, 3, 4), date(2024, 4, 1), LAST_DAY]
    world = worlds.sample(count=40, seed=3, runs=runs, seeds=worlds.ROUGH_SEEDS)
    check(tmp_path, world, project.run_job)


def write_seeds(folder: Path, seeds: Seeds) -> None:
    products = sorted({one.product_code for one in seeds.components})
    contents: dict[str, list[tuple[object, ...]]] = {
        "products": [("product_code", "product_name"), *((code, code) for code in products)],
        "components": [
            ("component_code", "component_name", "product_code", "calls_per_price_unit",
             "used_amount_unit", "price_unit"),
            *((one.component_code, one.component_code, one.product_code, one.calls_per_price_unit,
               "unit", "CNY/unit") for one in seeds.components),
        ],
        "component_actions": [
            ("action", "component_code"),
            *((action, one.component_code) for one in seeds.components for action in one.actions),
        ],
        "list_prices": [
            ("component_code", "effective_from", "known_from", "list_price"),
            *((one.component_code, one.effective_from, one.known_from, one.list_price)
              for one in seeds.list_prices),
        ],
    }  # fmt: skip
    for name, rows in contents.items():
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rows)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 160))
def test_many_more_worlds_equal_the_model(tmp_path: Path, seed: int) -> None:
    settle(tmp_path, count=400, seed=seed)
