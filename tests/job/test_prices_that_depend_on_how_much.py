"""Steps, packages and waivers night by night: what a night does not load of earlier ones."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.commands import callbill, succeed
from tests.support.landing_files import csv_file, json_lines, record, write
from tests.support.places import copy_of, manifest, places, query
from tests.support.project_copy import ProjectCopy
from tests.support.shared import make_once

OWNER, OTHER = "100000004301", "100000004302"


def with_steps(folder: Path) -> ProjectCopy:
    """A product of 60, and of 40 after two calls of a month."""
    copy = ProjectCopy.in_folder(folder)
    for seed, rows in {
        "components": ["pages,pages,wimgs,1000,k,CNY/k"],
        "component_actions": ["ReadPage,pages,,"],
        "list_prices": [
            "pages,2026-01-01,2026-01-01,60,0,month",
            "pages,2026-01-01,2026-01-01,40,2,month",
        ],
    }.items():
        path = copy.folder / "seeds" / f"{seed}.csv"
        path.write_text(path.read_text() + "".join(f"{row}\n" for row in rows))
    return copy


def land_calls(
    place: Path, arrived_on: str, *calls: str, owner: str = OWNER, **fields: object
) -> None:
    """Calls that are named after their usage date, such as `2026-08-31a`."""
    rows = [
        record(
            f"{name} {owner}", owner_uin=owner, action="ReadPage",
            called_at=f"{name[:10]}T10:00:00+08:00", **fields,
        )
        for name in calls
    ]  # fmt: skip
    write(place / f"landing/call_logs/arrived_on={arrived_on}/{owner}.jsonl", json_lines(*rows))


def land_terms(
    place: Path, feed: str, arrived_on: str, *rows: dict[str, object], owner: str = OWNER
) -> None:
    named = [{"owner_uin": owner, "component_code": "pages", **row} for row in rows]
    write(place / f"landing/{feed}/arrived_on={arrived_on}/{owner}.csv", csv_file(named))


def land_of_two_packages(place: Path) -> None:
    """In August a waiver. In September the call of the 1st is drawn from `early`, that of the 2nd
    from `late`, and both fail."""
    land_calls(place, "2026-09-01", "2026-08-31a", "2026-08-31b", "2026-08-31c")
    waiver = {"waiver_id": "W", "usage_date": "2026-08-31", "calls": 1, "reason": "test"}
    land_terms(place, "waivers", "2026-09-01", waiver)
    land_terms(
        place, "packages", "2026-09-01",
        {"package_id": "early", "calls": 1, "valid_from": "2026-09-01", "valid_to": "2026-09-08"},
        {"package_id": "late", "calls": 1, "valid_from": "2026-09-01", "valid_to": "2026-10-01"},
    )  # fmt: skip
    land_calls(place, "2026-09-02", "2026-09-01a")
    land_calls(place, "2026-09-03", "2026-09-02a")
    land_calls(place, "2026-09-04", "2026-09-01a", error_code="InternalError")
    land_calls(place, "2026-09-05", "2026-09-02a", error_code="InternalError")
    land_calls(place, "2026-09-06", "2026-08-31a", "2026-08-31b", error_code="InternalError")


def land_of_one_package(place: Path) -> None:
    """Of another account one of three calls is drawn, and fails."""
    term = {"package_id": "P", "calls": 1, "valid_from": "2026-09-01", "valid_to": "2026-10-01"}
    land_terms(place, "packages", "2026-09-01", term, owner=OTHER)
    land_calls(place, "2026-09-02", "2026-09-01a", "2026-09-01b", "2026-09-01c", owner=OTHER)
    land_calls(place, "2026-09-03", "2026-09-01a", owner=OTHER, error_code="InternalError")


@pytest.fixture(scope="module")
def nights() -> Path:
    """A place of both accounts, its catalogue in `project` beside it."""

    def make(folder: Path) -> None:
        project, place = with_steps(folder / "project"), folder / "place"
        land_of_two_packages(place)
        land_of_one_package(place)
        # A night for August, and one for each reversal that finds another package.
        for day in (1, 4, 5, 7):
            succeed(project.run_job(place, "--through", f"2026-09-{day:02}"))

    return make_once("nights-of-packages", make) / "place"


def test_nights_after_a_month_with_a_waiver_and_what_packages_get_back(
    nights: Path, tmp_path: Path
) -> None:
    """Nights of September load nothing of August, where a waiver stands. The reversal of the first
    call gives back to `late`, which was used last, and so that of the second gives back to
    `early`."""
    lines = query(
        nights,
        "select settled_on::varchar, usage_date::varchar, line_type, tier_from, package_id,"
        " waiver_id, calls, real_cost from billing.bill_lines"
        f" where owner_uin = '{OWNER}' order by all",
    )
    assert lines == [
        ("2026-09-01", "2026-08-31", "correction", 2, None, "W", -1, Decimal("-0.04")),
        ("2026-09-01", "2026-08-31", "usage", 0, None, None, 2, Decimal("0.12")),
        ("2026-09-01", "2026-08-31", "usage", 2, None, None, 1, Decimal("0.04")),
        ("2026-09-02", "2026-09-01", "usage", None, "early", None, 1, Decimal(0)),
        ("2026-09-03", "2026-09-02", "usage", None, "late", None, 1, Decimal(0)),
        ("2026-09-04", "2026-09-01", "correction", None, "late", None, -1, Decimal(0)),
        ("2026-09-05", "2026-09-02", "correction", None, "early", None, -1, Decimal(0)),
        # Two of three failed: of the last one the waiver has it.
        ("2026-09-06", "2026-08-31", "correction", 0, None, None, -2, Decimal("-0.12")),
    ]
    left = (
        "select package_id, calls_left from billing.package_balances"
        f" where owner_uin = '{OWNER}' order by all"
    )
    assert query(nights, left) == [("early", 1), ("late", 1)]
    place = copy_of(nights, tmp_path)
    sealed = manifest(place)["settlement_hashes"]
    for command in ("verify", "rebuild"):
        succeed(callbill(command, *places(place), project=nights.parent / "project"))
    assert manifest(place)["settlement_hashes"] == sealed


def test_an_export_of_calls_that_packages_cover_comes_back_without_a_difference(
    nights: Path, tmp_path: Path
) -> None:
    """One of three calls is drawn, so the vendor's 组件用量 has two."""
    project = nights.parent / "project"
    export = ("export", *places(nights), "--month=2026-09", f"--output={tmp_path}")
    succeed(callbill(*export, f"--owner={OTHER}", project=project))
    detail = tmp_path / f"callbill-2026-09-{OTHER}-detail.csv"
    ended = callbill("reconcile", *places(nights), f"--bill={detail}", project=project)
    succeed(ended)
    assert "Nothing differs." in ended.stdout
