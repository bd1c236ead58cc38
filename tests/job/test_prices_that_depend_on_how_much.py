"""Steps, packages and waivers night by night: what a night does not load of earlier ones."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.commands import callbill, succeed
from tests.support.landing_files import csv_file, json_lines, record, write
from tests.support.places import manifest, places, query
from tests.support.project_copy import ProjectCopy

OWNER = "100000004301"


@pytest.fixture
def project(tmp_path: Path) -> ProjectCopy:
    """A product of 60, and of 40 after two calls of a month."""
    copy = ProjectCopy.in_folder(tmp_path / "project")
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


def land_calls(place: Path, arrived_on: str, *calls: str, **fields: object) -> None:
    """Calls that are named after their usage date, such as `2026-08-31a`."""
    rows = [
        record(
            name, owner_uin=OWNER, action="ReadPage", called_at=f"{name[:10]}T10:00:00+08:00",
            **fields,
        )
        for name in calls
    ]  # fmt: skip
    write(place / f"landing/call_logs/arrived_on={arrived_on}/calls.jsonl", json_lines(*rows))


def land_terms(place: Path, feed: str, arrived_on: str, *rows: dict[str, object]) -> None:
    named = [{"owner_uin": OWNER, "component_code": "pages", **row} for row in rows]
    write(place / f"landing/{feed}/arrived_on={arrived_on}/terms.csv", csv_file(named))


def test_nights_after_a_month_with_a_waiver_and_what_packages_get_back(
    project: ProjectCopy, tmp_path: Path
) -> None:
    """Nights of September load nothing of August, where a waiver stands. The call of the 1st was
    drawn from `early`, that of the 2nd from `late`. The reversal of the first gives back to `late`,
    which was used last, and so that of the second gives back to `early`."""
    land_calls(tmp_path, "2026-09-01", "2026-08-31a", "2026-08-31b", "2026-08-31c")
    waiver = {"waiver_id": "W", "usage_date": "2026-08-31", "calls": 1, "reason": "test"}
    land_terms(tmp_path, "waivers", "2026-09-01", waiver)
    land_terms(
        tmp_path, "packages", "2026-09-01",
        {"package_id": "early", "calls": 1, "valid_from": "2026-09-01", "valid_to": "2026-09-08"},
        {"package_id": "late", "calls": 1, "valid_from": "2026-09-01", "valid_to": "2026-10-01"},
    )  # fmt: skip
    land_calls(tmp_path, "2026-09-02", "2026-09-01a")
    land_calls(tmp_path, "2026-09-03", "2026-09-02a")
    land_calls(tmp_path, "2026-09-04", "2026-09-01a", error_code="InternalError")
    land_calls(tmp_path, "2026-09-05", "2026-09-02a", error_code="InternalError")
    land_calls(tmp_path, "2026-09-06", "2026-08-31a", "2026-08-31b", error_code="InternalError")
    for day in (1, 3, 4, 5, 7):
        succeed(project.run_job(tmp_path, "--through", f"2026-09-{day:02}"))
    lines = query(
        tmp_path,
        "select settled_on::varchar, usage_date::varchar, line_type, tier_from, package_id,"
        " waiver_id, calls, real_cost from billing.bill_lines order by all",
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
    left = "select package_id, calls_left from billing.package_balances order by all"
    assert query(tmp_path, left) == [("early", 1), ("late", 1)]
    sealed = manifest(tmp_path)["settlement_hashes"]
    for command in ("verify", "rebuild"):
        succeed(callbill(command, *places(tmp_path), project=project.folder))
    assert manifest(tmp_path)["settlement_hashes"] == sealed


def test_an_export_of_calls_that_packages_cover_comes_back_without_a_difference(
    project: ProjectCopy, tmp_path: Path
) -> None:
    """One of three calls is drawn, so the vendor's 组件用量 has two."""
    term = {"package_id": "P", "calls": 1, "valid_from": "2026-09-01", "valid_to": "2026-10-01"}
    land_terms(tmp_path, "packages", "2026-09-01", term)
    land_calls(tmp_path, "2026-09-02", "2026-09-01a", "2026-09-01b", "2026-09-01c")
    land_calls(tmp_path, "2026-09-03", "2026-09-01a", error_code="InternalError")
    succeed(project.run_job(tmp_path, "--through", "2026-09-03"))
    exported = tmp_path / "exported"
    exported.mkdir()
    export = ("export", *places(tmp_path), "--month=2026-09", f"--output={exported}")
    succeed(callbill(*export, project=project.folder))
    detail = exported / "callbill-2026-09-detail.csv"
    ended = callbill("reconcile", *places(tmp_path), f"--bill={detail}", project=project.folder)
    succeed(ended)
    assert "Nothing differs." in ended.stdout
