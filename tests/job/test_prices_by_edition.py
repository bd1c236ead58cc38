"""Prices by edition: claims that ask for attributes of calls and of accounts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from callbill.warehouse import plan as plans

from tests.support.commands import callbill, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import (
    figures,
    last_run,
    manifest,
    places,
    query,
    query_warehouse,
)
from tests.support.project_copy import ProjectCopy

SHOP, OFFICE = "100000004002", "100000004003"
COMPONENTS = (
    "wsa_standard,standard,wimgs,1000,k,CNY/k",
    "wsa_flagship,flagship,wimgs,1000,k,CNY/k",
)
PRICES = ("wsa_standard,2025-08-01,2025-08-01,46", "wsa_flagship,2025-08-01,2025-08-01,80")


# The rows of docs/prices.md, whose commands and tables test_pages.py holds.
CLAIMS = (
    "SearchPro,wsa_standard,,,edition=standard",
    "SearchPro,wsa_flagship,,,edition=flagship",
)


def add_rows(project: ProjectCopy, seed: str, *rows: str) -> None:
    path = project.folder / "seeds" / f"{seed}.csv"
    path.write_text(path.read_text() + "".join(f"{row}\n" for row in rows))


@pytest.fixture
def project(tmp_path: Path) -> ProjectCopy:
    """The catalogue of the page."""
    copy = ProjectCopy.in_folder(tmp_path / "project")
    add_rows(copy, "components", *COMPONENTS)
    add_rows(copy, "component_actions", *CLAIMS)
    add_rows(copy, "list_prices", *PRICES)
    return copy


def land(place: Path, day: int, *calls: tuple[str, str | None], owner: str = SHOP) -> None:
    """Calls of the day before, each with its edition."""
    rows = [
        record(
            name,
            called_at=f"2026-09-{day - 1:02}T10:00:00+08:00",
            owner_uin=owner,
            action="SearchPro",
            edition=edition,
        )
        for name, edition in calls
    ]
    folder = place / f"landing/call_logs/arrived_on=2026-09-{day:02}"
    write(folder / f"{calls[0][0]}.jsonl", json_lines(*rows))


def land_attributes(place: Path, day: int, *rows: str) -> None:
    header = "owner_uin,attribute,value,effective_from"
    text = "".join(f"{row}\n" for row in (header, *rows))
    folder = place / f"landing/account_attributes/arrived_on=2026-09-{day:02}"
    write(folder / "attributes.csv", text.encode())


def settle(project: ProjectCopy, place: Path, day: int) -> str:
    ended = project.run_job(place, "--through", f"2026-09-{day:02}")
    succeed(ended)
    return ended.stdout


LINES = """
    select settled_on::varchar, owner_uin, component_code, line_type, calls, real_cost
    from billing.bill_lines order by all
"""


def test_the_bill_of_the_page(project: ProjectCopy, tmp_path: Path) -> None:
    land(tmp_path, 2, ("s1", "standard"), ("s2", "standard"))
    land(tmp_path, 2, *((f"f{n}", "flagship") for n in range(3)))
    settle(project, tmp_path, 2)
    assert query(tmp_path, LINES) == [
        ("2026-09-02", SHOP, "wsa_flagship", "usage", 3, Decimal("0.24")),
        ("2026-09-02", SHOP, "wsa_standard", "usage", 2, Decimal("0.092")),
    ]


def test_the_account_says_what_the_log_does_not(project: ProjectCopy, tmp_path: Path) -> None:
    land_attributes(tmp_path, 1, f"{SHOP},edition,flagship,2026-09-01")
    land(tmp_path, 2, ("a", None), ("b", "standard"))
    land(tmp_path, 2, ("c", None), owner=OFFICE)
    settle(project, tmp_path, 2)
    assert [line[1:3] for line in query(tmp_path, LINES)] == [
        (SHOP, "wsa_flagship"),
        (SHOP, "wsa_standard"),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # The claim that asks for the least counts.
        (")[1].component_code", ")[-1].component_code"),
        # The account comes before what the record says itself.
        ("lambda pair: not contains(", "lambda pair: true or not contains("),
        # A value that begins later is in force already.
        ("{{ usage_date }} >= account_attributes.effective_from", "true"),
    ],
)
def test_a_control_finds_the_price_of_another_edition(
    old: str, new: str, project: ProjectCopy, tmp_path: Path
) -> None:
    add_rows(project, "component_actions", "SearchPro,wsa_standard,,")
    land_attributes(
        tmp_path, 1, f"{SHOP},edition,flagship,2026-09-01", f"{OFFICE},edition,flagship,2026-09-09"
    )
    for day in (2, 3):
        land(tmp_path, day, (f"{day}a", None), (f"{day}b", "flagship"), (f"{day}c", "standard"))
        land(tmp_path, day, (f"{day}d", None), (f"{day}e", "standard"), owner=OFFICE)
        if day == 2:
            settle(project, tmp_path, day)
    project.edit("macros/claims.sql", old, new, is_sql="{{" not in old)
    ended = project.run_job(tmp_path, "--through", "2026-09-03")
    assert ended.returncode == 1, ended.stdout
    assert "no_account_charged_beyond_its_records" in ended.stderr


def test_files_of_one_arrival_that_disagree_are_named(project: ProjectCopy, tmp_path: Path) -> None:
    header = "owner_uin,attribute,value,effective_from\n"
    for name, rows in (
        # The last line of a file counts.
        ("one", "1,edition,trial,2026-09-01\n1,edition,flagship,2026-09-01\n"),
        ("two", "1,edition,standard,2026-09-01\n2,edition,standard,2026-09-01\n"),
        ("three", "2,edition,trial,2026-09-01\n2,edition,standard,2026-09-01\n"),
    ):
        folder = tmp_path / "landing/account_attributes/arrived_on=2026-09-01"
        write(folder / f"{name}.csv", (header + rows).encode())
    for owner in ("1", "2"):
        land(tmp_path, 2, (f"call-{owner}", None), owner=owner)
    settle(project, tmp_path, 2)
    [(rows, sample)] = query_warehouse(
        tmp_path,
        "select unexpected_rows, sample from ops.control_results"
        " where control_id = 'versions_do_not_compete'",
    )
    assert rows == 1
    assert "edition from 2026-09-01" in sample
    assert "flagship | standard" in sample
    assert {line[2] for line in query(tmp_path, LINES)} == {"wsa_flagship", "wsa_standard"}


def test_what_nobody_claims_is_named_and_waits(project: ProjectCopy, tmp_path: Path) -> None:
    land(tmp_path, 2, ("t1", "trial"), ("t2", "trial"), ("n1", None), ("s1", "standard"))
    said = settle(project, tmp_path, 2)
    assert "SearchPro (edition=trial)" in said
    assert {(one["action"], one["calls"]) for one in last_run(tmp_path)["unbilled_calls"]} == {
        ("SearchPro (edition=trial)", 2),
        ("SearchPro (edition=)", 1),
    }
    attributes = "select attributes, sum(calls)::int from ops.unbilled_calls group by 1 order by 1"
    assert query(tmp_path, attributes) == [("edition=", 1), ("edition=trial", 2)]
    # Both ways to have them billed.
    add_rows(project, "component_actions", "SearchPro,wsa_standard,,,edition=trial")
    land_attributes(tmp_path, 3, f"{SHOP},edition,flagship,2026-01-01")
    settle(project, tmp_path, 4)
    assert query(tmp_path, LINES)[1:] == [
        ("2026-09-03", SHOP, "wsa_flagship", "late_usage", 1, Decimal("0.08")),
        ("2026-09-03", SHOP, "wsa_standard", "late_usage", 2, Decimal("0.092")),
    ]
    sealed = manifest(tmp_path)["settlement_hashes"]
    for command in ("verify", "rebuild"):
        succeed(callbill(command, *places(tmp_path), project=project.folder))
    assert manifest(tmp_path)["settlement_hashes"] == sealed


def test_a_call_of_two_accounts_shows_the_component_of_the_account_that_it_shows(
    project: ProjectCopy, tmp_path: Path
) -> None:
    land_attributes(
        tmp_path, 1, f"{SHOP},edition,flagship,2026-09-01", f"{OFFICE},edition,standard,2026-09-01"
    )
    rows = [
        record("a", called_at=f"2026-09-01T{hour}:00:00+08:00", owner_uin=owner, action="SearchPro")
        for hour, owner in (("09", OFFICE), ("10", SHOP))
    ]
    write(tmp_path / "landing/call_logs/arrived_on=2026-09-02/a.jsonl", json_lines(*rows))
    settle(project, tmp_path, 2)
    shown = query(tmp_path, "select owner_uin, component_code, calls_billed from billing.calls")
    assert shown == [(OFFICE, "wsa_standard", 0)]
    succeed(callbill("verify", *places(tmp_path), project=project.folder))


def test_a_charged_call_keeps_its_component(project: ProjectCopy, tmp_path: Path) -> None:
    """Whatever becomes known of the account, and of an edition that was kept from night to night
    while no claim asked for it."""
    for seed, rows in (("component_actions", CLAIMS),):
        path = project.folder / "seeds" / f"{seed}.csv"
        text = path.read_text()
        for row in rows:
            text = text.replace(f"{row}\n", "")
        path.write_text(text + "SearchPro,wsa_standard,,,\n")
    # Delivered twice, so that a state is kept.
    land(tmp_path, 2, ("f1", "flagship"), ("f1", "flagship"), ("a1", None), ("a1", None))
    settle(project, tmp_path, 2)
    has = "select distinct contains(action, 'edition=flagship')"
    kept = f"{has} from intermediate.int_calls_again"
    assert sorted(query_warehouse(tmp_path, kept)) == [(False,), (True,)]
    add_rows(project, "component_actions", "SearchPro,wsa_flagship,,,edition=flagship")
    land_attributes(tmp_path, 3, f"{SHOP},edition,flagship,2026-01-01")
    land(tmp_path, 4, ("b1", None))
    again = [
        record(name, called_at="2026-09-01T10:00:00+08:00", owner_uin=SHOP, action="SearchPro",
               edition=edition)
        for name, edition in (("f1", "flagship"), ("a1", None))
    ]  # fmt: skip
    path = tmp_path / "landing/call_logs/arrived_on=2026-09-04/again.jsonl"
    write(path, json_lines(*again))
    settle(project, tmp_path, 4)
    assert query(tmp_path, LINES) == [
        ("2026-09-02", SHOP, "wsa_standard", "usage", 2, Decimal("0.092")),
        ("2026-09-04", SHOP, "wsa_flagship", "usage", 1, Decimal("0.08")),
    ]
    dispositions = "select request_id, disposition from billing.calls order by settled_on, 1"
    assert query(tmp_path, dispositions)[2:] == [
        ("a1", "duplicate"), ("b1", "billed"), ("f1", "duplicate"),
    ]  # fmt: skip
    succeed(callbill("verify", *places(tmp_path), project=project.folder))


def test_buckets_and_workers_give_the_same_bill(
    project: ProjectCopy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name, buckets in (("one", None), ("three", "3")):
        place = tmp_path / name
        if buckets:
            monkeypatch.setenv("CALLBILL_BUCKETS", buckets)
        land_attributes(place, 1, f"{OFFICE},edition,standard,2026-01-01")
        land(place, 2, *((f"s{n}", "standard") for n in range(5)), ("t1", "trial"))
        land(place, 2, *((f"o{n}", None) for n in range(5)), owner=OFFICE)
        land_attributes(place, 3, f"{OFFICE},edition,flagship,2026-09-02")
        land(place, 3, ("p1", None), ("p2", "flagship"), owner=OFFICE)
        settle(project, place, 2)
        workers = ("--workers", "2") if buckets else ()
        succeed(project.run_job(place, "--through", "2026-09-03", *workers))
        found.append(figures(place))
        succeed(callbill("verify", *places(place), *workers, project=project.folder))
    assert found[0] == found[1]


def test_a_catalogue_that_asks_for_no_attributes_joins_by_action_alone(tmp_path: Path) -> None:
    place = tmp_path / "place"
    plain = ProjectCopy.in_folder(tmp_path / "project")
    land(place, 2, ("s1", "standard"))
    settle(plain, place, 2)
    [kept] = (place / "warehouse.duckdb.files" / "dbt" / "plans").iterdir()
    models = {model.name: model.sql for model in plans.from_json(kept.read_text()).models}
    reading = [name for name, sql in models.items() if "account_attributes" in sql]
    assert reading == ["stg_account_attributes"]
    assert "lambda" not in models["stg_call_logs"]
    attributes = "select attributes from raw.call_logs"
    assert query_warehouse(place, attributes) == [("edition=standard",)]
