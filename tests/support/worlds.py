"""Generated worlds, settled by the product and held against the independent model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.bill.reference import compare, landing
from tests.bill.reference.inputs import World
from tests.bill.reference.model import tables
from tests.support.commands import Run, run_job
from tests.support.places import query

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
