"""Generated worlds, settled by the product and held against the independent model."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.bill.reference import compare, landing, worlds
from tests.bill.reference.inputs import Claim, File, Settings, World
from tests.bill.reference.model import Tables, tables
from tests.bill.reference.worlds import LAST_DAY
from tests.support.commands import Run, callbill, run_job, settle, several_threads, succeed
from tests.support.places import figures, places, query
from tests.support.project_copy import ProjectCopy
from tests.support.shared import make_once

# In the first every var that changes figures has another value.
OTHER_VARS = {
    # A day of 23 and one of 25 hours, midnight in the afternoon of Beijing. What is a re-delivery
    # for longer than it can be charged.
    "rounding down": Settings(
        billing_timezone="America/New_York",
        deduction_rounding="down",
        max_usage_age_days=3,
        dedup_horizon_days=31,
    ),
    # The reverse.
    "another time zone": Settings(
        billing_timezone="America/New_York", max_usage_age_days=70, dedup_horizon_days=2
    ),
}
# Each set of vars has dbt parse all models anew. A test run has one.
VARS_OF_TESTS = [
    pytest.param(name, marks=pytest.mark.long if n else ()) for n, name in enumerate(OTHER_VARS)
]
_FIRST_RUN = date(2024, 3, 4)
TWO_RUNS = (_FIRST_RUN, LAST_DAY)
THREE_RUNS = (_FIRST_RUN, date(2024, 4, 1), LAST_DAY)

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


def check(place: Path, world: World, run: Run = run_job, seeds: Path | None = None) -> None:
    """Run worlds through their schedule and hold each release against the model. The catalogue of
    each run is written to the folder `seeds`, if one is given."""
    for number, through in enumerate(world.runs):
        landing.write(world, place / "landing", number)
        if seeds is not None:
            landing.write_seeds(seeds, world.seeds_before(number))
        ended = run(place, "--through", through, "--vars", json.dumps(vars(world.settings)))
        assert ended.returncode == 0, ended.stderr
        expected = tables(replace(world, runs=world.runs[: number + 1]))
        differences = compare.differences(place / "published", expected, ops=compare.OpsColumns())
        assert differences == [], f"run {number}"
        billed_otherwise = BILLED_OTHERWISE.format(world.settings.billing_timezone)
        assert query(place, billed_otherwise) == [], f"run {number}"
    assert _kinds_missing(world, expected) == set()


def _kinds_missing(world: World, bill: Tables) -> set[str]:
    """What has to occur in worlds: without it there would be nothing to get wrong. Few worlds are
    drawn by a seed that gives all of it."""
    wanted = {
        *("usage", "late_usage", "correction", "rerating"),
        *("billed", "conflict", "duplicate", "failed", "reversed", "too_old", "unrated"),
        *("canonical", "cloudaudit", "envelope"),
    }
    occurs = {
        "a discount": any(line.discount is not None for line in bill.bill_lines),
        "an agreed price": any(
            line.discount is None and line.contract_price != line.list_price
            for line in bill.bill_lines
        ),
        "usage of a month that is closed": any(
            line.bill_month > line.usage_date for line in bill.bill_lines
        ),
        "money that is given back": any(row.deducted_amount < 0 for row in bill.settlements),
        "a fee below a fen": any(row.adjustment_amount for row in bill.precision_adjustments),
        "a call in several records": any(row.records > 1 for row in bill.calls),
        "a file that comes late": any(file.placed_run for file in world.files),
        "a file without a date": any("arrived_on=" not in file.path for file in world.files),
        "a rejected line": bool(bill.rejects),
    }
    if any(file.feed == "packages" for file in world.files):
        occurs |= {
            "a step": any(line.tier_from is not None for line in bill.bill_lines),
            "a package": any(line.package_id is not None for line in bill.bill_lines),
            "a waiver": any(line.waiver_id is not None for line in bill.bill_lines),
        }
    if len(world.seeds.components) > 1:
        prices = {(line.component_code, line.list_price) for line in bill.bill_lines}
        components = {component for component, _price in prices}
        occurs |= {
            "components of two products": {"ocr_page", "wimgs_search_by_text"} <= components,
            "another component of a product": "wimgs_image_to_image_search" in components,
            "several list prices of a component": len(prices) > len(components),
        }
    if any(isinstance(later.row, Claim) for later in world.later_rows):
        waited = {row.request_id for row in bill.calls if row.disposition == "unrated"}
        billed = {row.request_id for row in bill.calls if row.disposition == "billed"}
        occurs["a call that waits for the catalogue"] = bool(waited & billed)
    found = {line.line_type for line in bill.bill_lines} | {row.disposition for row in bill.calls}
    found |= {file.shape for file in world.files}
    return (wanted - found) | {kind for kind, is_there in occurs.items() if not is_there}


def check_with_own_seeds(place: Path, world: World) -> None:
    """Worlds with another catalogue than that which ships."""
    project = ProjectCopy.in_folder(place / "project")
    landing.write_seeds(project.folder / "seeds", world.seeds)
    check(place, world, project.run_job)


def check_growing(place: Path, count: int, seed: int, runs: Sequence[date] = THREE_RUNS) -> None:
    """Worlds whose catalogue grows from run to run, against the model, `verify` and a rebuild."""
    project = ProjectCopy.in_folder(place / "project")
    world = worlds.growing(count=count, seed=seed, runs=runs)
    check(place, world, project.run_job, project.folder / "seeds")
    _check_again(place)


def check_counted(place: Path, count: int, seed: int, runs: Sequence[date] = THREE_RUNS) -> None:
    """Worlds whose prices depend on how much, against the model, `verify` and a rebuild."""
    project = ProjectCopy.in_folder(place / "project")
    world = worlds.counted(count=count, seed=seed, runs=runs)
    check(place, world, project.run_job, project.folder / "seeds")
    _check_again(place)


def _check_again(place: Path) -> None:
    for command in ("verify", "rebuild"):
        succeed(callbill(command, *places(place), project=place / "project"))


def check_counted_by_any_road(place: Path, count: int, seed: int, nights: int) -> None:
    """Worlds whose prices depend on how much, settled once, and in several nights, with files of
    other names in another order: the same figures. What has no date, or becomes known late, is left
    out: there the road does matter."""
    project = ProjectCopy.in_folder(place / "project")
    drawn = worlds.counted(count=count, seed=seed, runs=[LAST_DAY])
    landing.write_seeds(project.folder / "seeds", drawn.seeds_before(len(drawn.runs)))
    dated = [
        file
        for file in drawn.files
        if "arrived_on=" in file.path and file.arrived_on <= LAST_DAY and not file.placed_run
    ]
    landing.write(replace(drawn, files=tuple(dated)), place / "once" / "landing")
    with several_threads():
        succeed(project.run_job(place / "once", "--through", LAST_DAY))
    chance = random.Random(seed)
    arrivals = sorted({file.arrived_on for file in dated})
    for through in (*sorted(chance.sample(arrivals, min(nights - 1, len(arrivals)))), LAST_DAY):
        due = [file for file in dated if file.arrived_on <= through]
        dated = [file for file in dated if file.arrived_on > through]
        renamed = tuple(replace(file, path=renamed_at_random(file, chance)) for file in due)
        landing.write(replace(drawn, files=renamed), place / "nights" / "landing")
        succeed(project.run_job(place / "nights", "--through", through))
    assert figures(place / "nights") == figures(place / "once")


def renamed_at_random(file: File, chance: random.Random) -> str:
    """The same folders that speak of the file, another name, one folder more."""
    *folders, name = file.path.split("/")
    _, _, ending = name.partition(".")
    return "/".join([*folders, f"{chance.randrange(5)}", f"{chance.getrandbits(64):x}.{ending}"])


# --- what the tests of the bill and those of `verify` hold against it; nobody changes a place ---

# How many worlds of each kind there are, and the seed that draws them: a test run has few, and each
# draw has every kind of trouble. The long campaign has more.
FEW = {
    "several runs": (6, 204),
    "other vars": (5, 120),
    "growing": (5, 28),
    "counted": (4, 12),
    "counted by any road": (3, 33),
}
MANY = {
    "several runs": (28, 47),
    "other vars": (16, 9),
    "growing": (10, 4),
    "counted": (10, 2),
    "counted by any road": (12, 6),
}
SIZES = [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.long)]
Size = dict[str, tuple[int, int]]


def runs_of(size: Size) -> Sequence[date]:
    """The runs that settle worlds whose catalogue grows, and those of prices that depend on how
    much."""
    return THREE_RUNS if size is MANY else TWO_RUNS


def _make_once(name: str, size: Size, make: Callable[[Path], object]) -> Path:
    return make_once(f"{name}-many" if size is MANY else name, make)


def settled_worlds(size: Size = FEW) -> World:
    """Those of `worlds_place`."""
    count, seed = size["several runs"]
    return worlds.sample(count, seed, [date(2024, 2, 29), _FIRST_RUN, LAST_DAY])


def worlds_place(size: Size = FEW) -> Path:
    """Many worlds, settled by several threads and held against the model."""

    def make(place: Path) -> None:
        with several_threads():
            check(place, settled_worlds(size))

    return _make_once("worlds", size, make)


def dated_worlds() -> World:
    """Worlds whose files have dates. Files without one are history before the first seal, and late
    after it, so there the road does matter."""
    drawn = worlds.sample(count=5, seed=5, runs=[LAST_DAY])
    dated = (file for file in drawn.files if "arrived_on=" in file.path)
    return replace(drawn, files=tuple(file for file in dated if file.arrived_on <= LAST_DAY))


def place_settled_once() -> Path:
    """Dated worlds, all settled in one run."""

    def make(place: Path) -> None:
        landing.write(dated_worlds(), place / "landing")
        with several_threads():
            settle(place, LAST_DAY)
        assert len(figures(place)["settlement_hashes"]) > 200

    return make_once("worlds-once", make)


def worlds_under_other_vars(name: str, size: Size = FEW) -> World:
    """Those of `place_under_other_vars`."""
    count, seed = size["other vars"]
    return worlds.sample(count, seed, TWO_RUNS, worlds.ROUGH_SEEDS, OTHER_VARS[name])


def place_under_other_vars(name: str, size: Size = FEW) -> Path:
    """Worlds of several products, whose list prices change, with other vars than those that ship.
    By those that ship, worlds of `check_growing` have the same products and prices."""

    world = worlds_under_other_vars(name, size)
    return _make_once(f"worlds-{name}", size, lambda place: check_with_own_seeds(place, world))


def place_of_counted_worlds(size: Size = FEW) -> Path:
    """Worlds whose prices depend on how much, made anew from what landed at the end."""
    runs = runs_of(size)
    return _make_once(
        "counted-worlds", size, lambda place: check_counted(place, *size["counted"], runs)
    )
