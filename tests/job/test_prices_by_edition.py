"""Prices by edition: claims that ask for attributes of calls and of accounts."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from callbill.warehouse import plan as plans

from tests.support.commands import callbill, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import (
    copy_of,
    figures,
    last_run,
    manifest,
    places,
    query,
    query_warehouse,
)
from tests.support.project_copy import ProjectCopy
from tests.support.shared import make_once

SHOP, OFFICE = "100000004002", "100000004003"
# Accounts of `editions`. The last two are of one call.
PAGE, STATED, SILENT, GROWN, ODD, ONE, OTHER = (f"1000000041{n:02}" for n in range(7))
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


def with_page(folder: Path) -> ProjectCopy:
    """The catalogue of the page."""
    copy = ProjectCopy.in_folder(folder)
    add_rows(copy, "components", *COMPONENTS)
    add_rows(copy, "component_actions", *CLAIMS)
    add_rows(copy, "list_prices", *PRICES)
    return copy


@pytest.fixture
def project(tmp_path: Path) -> ProjectCopy:
    return with_page(tmp_path / "project")


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


def lines_of(place: Path, *owners: str) -> list[tuple[Any, ...]]:
    return [line for line in query(place, LINES) if line[1] in owners]


# --- many accounts in two nights ---


def land_first(place: Path) -> None:
    """What the first night settles, of 2 September."""
    land(place, 2, ("page-s1", "standard"), ("page-s2", "standard"), owner=PAGE)
    land(place, 2, *((f"page-f{n}", "flagship") for n in range(3)), owner=PAGE)
    land(place, 2, ("said-1", None), ("said-2", "standard"), owner=STATED)
    land(place, 2, ("silent", None), owner=SILENT)
    land(place, 2, ("t1", "trial"), ("t2", "trial"), ("n1", None), ("s1", "standard"), owner=ODD)
    land(place, 2, *((f"grown-{n}", None) for n in range(5)), owner=GROWN)
    rows = [
        record("a", called_at=f"2026-09-01T{hour}:00:00+08:00", owner_uin=owner, action="SearchPro")
        for hour, owner in (("09", ONE), ("10", OTHER))
    ]
    write(place / "landing/call_logs/arrived_on=2026-09-02/of-two.jsonl", json_lines(*rows))
    land_attributes(
        place, 1,
        f"{STATED},edition,flagship,2026-09-01", f"{GROWN},edition,standard,2026-01-01",
        f"{ONE},edition,standard,2026-09-01", f"{OTHER},edition,flagship,2026-09-01",
        f"{SHOP},edition,flagship,2026-09-01", f"{OFFICE},edition,flagship,2026-09-09",
    )  # fmt: skip
    header = "owner_uin,attribute,value,effective_from\n"
    for name, said in (
        # The last line of a file counts.
        ("one", "1,edition,trial,2026-09-01\n1,edition,flagship,2026-09-01\n"),
        ("two", "1,edition,standard,2026-09-01\n2,edition,standard,2026-09-01\n"),
        ("three", "2,edition,trial,2026-09-01\n2,edition,standard,2026-09-01\n"),
    ):
        folder = place / "landing/account_attributes/arrived_on=2026-09-01"
        write(folder / f"{name}.csv", (header + said).encode())
    for owner in ("1", "2"):
        land(place, 2, (f"call-{owner}", None), owner=owner)


def land_second(place: Path) -> None:
    """Of the 3rd: accounts change. One gets an edition only now."""
    land_attributes(
        place, 3,
        f"{ODD},edition,flagship,2026-01-01", f"{GROWN},edition,flagship,2026-09-02",
    )  # fmt: skip
    land(place, 3, ("grown-6", None), ("grown-7", "flagship"), owner=GROWN)


TRIAL = "SearchPro,wsa_standard,,,edition=trial"


def _editions() -> Path:
    def make(folder: Path) -> None:
        project, place = with_page(folder / "project"), folder / "first"
        land_first(place)
        (folder / "said").write_text(settle(project, place, 2), "utf-8")
        shutil.copytree(place, folder / "second", symlinks=True)
        add_rows(project, "component_actions", TRIAL)
        land_second(folder / "second")
        settle(project, folder / "second", 4)

    return make_once("editions", make)


@pytest.fixture(scope="module")
def first() -> Path:
    """Settled through the 2nd."""
    return _editions() / "first"


@pytest.fixture(scope="module")
def second() -> Path:
    """Settled through the 4th, after a claim was added. Its catalogue is in `project` beside it."""
    return _editions() / "second"


def test_the_bill_of_the_page(first: Path) -> None:
    assert lines_of(first, PAGE) == [
        ("2026-09-02", PAGE, "wsa_flagship", "usage", 3, Decimal("0.24")),
        ("2026-09-02", PAGE, "wsa_standard", "usage", 2, Decimal("0.092")),
    ]


def test_the_account_says_what_the_log_does_not(first: Path) -> None:
    assert [line[1:3] for line in lines_of(first, STATED, SILENT)] == [
        (STATED, "wsa_flagship"),
        (STATED, "wsa_standard"),
    ]


def test_files_of_one_arrival_that_disagree_are_named(first: Path) -> None:
    [(rows, sample)] = query_warehouse(
        first,
        "select unexpected_rows, sample from ops.control_results"
        " where control_id = 'versions_do_not_compete'",
    )
    assert rows == 1
    assert "edition from 2026-09-01" in sample
    assert "flagship | standard" in sample
    assert {line[2] for line in lines_of(first, "1", "2")} == {"wsa_flagship", "wsa_standard"}


def test_what_nobody_claims_is_named_and_waits(first: Path, second: Path) -> None:
    assert "SearchPro (edition=trial)" in (first.parent / "said").read_text("utf-8")
    # Without an edition one call is of this account, and one of an account that never says any.
    unrated = [one for one in last_run(first)["unbilled_calls"] if one["reason"] == "unrated"]
    assert {(one["action"], one["calls"]) for one in unrated} == {
        ("SearchPro (edition=trial)", 2),
        ("SearchPro (edition=)", 2),
    }
    attributes = (
        "select attributes, sum(calls)::int from ops.unbilled_calls where reason = 'unrated'"
        " group by 1 order by 1"
    )
    assert query(first, attributes) == [("edition=", 2), ("edition=trial", 2)]
    assert len(lines_of(first, ODD)) == 1
    # Both ways to have them billed: a claim for them, and an edition of the account.
    assert lines_of(second, ODD)[1:] == [
        ("2026-09-03", ODD, "wsa_flagship", "late_usage", 1, Decimal("0.08")),
        ("2026-09-03", ODD, "wsa_standard", "late_usage", 2, Decimal("0.092")),
    ]


def test_a_call_of_two_accounts_shows_the_component_of_the_account_that_it_shows(
    first: Path,
) -> None:
    shown = query(
        first,
        "select owner_uin, component_code, calls_billed from billing.calls where request_id = 'a'",
    )
    assert shown == [(ONE, "wsa_standard", 0)]


def test_buckets_and_workers_give_the_same_bill_and_so_do_a_rebuild_and_the_second_computation(
    second: Path, project: ProjectCopy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBILL_BUCKETS", "2")
    land_first(tmp_path)
    settle(project, tmp_path, 2)
    add_rows(project, "component_actions", TRIAL)
    land_second(tmp_path)
    succeed(project.run_job(tmp_path, "--through", "2026-09-04", "--workers", "2"))
    assert figures(tmp_path) == figures(second)
    sealed = manifest(tmp_path)["settlement_hashes"]
    succeed(callbill("verify", *places(tmp_path), project=project.folder))
    monkeypatch.setenv("CALLBILL_BUCKETS", "1")
    succeed(callbill("rebuild", *places(tmp_path), project=project.folder))
    assert manifest(tmp_path)["settlement_hashes"] == sealed


# --- by themselves ---


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # The claim that asks for the least counts.
        (")[1].component_code", ")[-1].component_code"),
        # The account comes before what the record says itself.
        ("lambda pair: not contains(", "lambda pair: true or not contains("),
        # A value that begins later is in force already.
        (">= account_attributes.effective_from", ">= date '1970-01-01'"),
    ],
)
def test_a_control_finds_the_price_of_another_edition(
    old: str, new: str, first: Path, project: ProjectCopy, tmp_path: Path
) -> None:
    """With a claim of every call that asks for nothing."""
    place = copy_of(first, tmp_path)
    land(place, 3, ("3a", None), ("3b", "flagship"), ("3c", "standard"))
    land(place, 3, ("3d", None), ("3e", "standard"), owner=OFFICE)
    add_rows(project, "component_actions", "SearchPro,wsa_standard,,")
    project.edit("macros/claims.sql", old, new, is_sql=True)
    ended = project.run_job(place, "--through", "2026-09-03")
    assert ended.returncode == 1, ended.stdout
    assert "no_account_charged_beyond_its_records" in ended.stderr


def _unasked() -> Path:
    def make(folder: Path) -> None:
        project, place = with_page(folder / "project"), folder / "first"
        path = project.folder / "seeds" / "component_actions.csv"
        text = path.read_text()
        for row in CLAIMS:
            text = text.replace(f"{row}\n", "")
        path.write_text(text + "SearchPro,wsa_standard,,,\n")
        # Delivered twice, so that a state is kept.
        land(place, 2, ("f1", "flagship"), ("f1", "flagship"), ("a1", None), ("a1", None))
        settle(project, place, 2)
        place = shutil.copytree(place, folder / "second", symlinks=True)
        add_rows(project, "component_actions", "SearchPro,wsa_flagship,,,edition=flagship")
        land_attributes(place, 3, f"{SHOP},edition,flagship,2026-01-01")
        land(place, 4, ("b1", None))
        again = [
            record(name, called_at="2026-09-01T10:00:00+08:00", owner_uin=SHOP, action="SearchPro",
                   edition=edition)
            for name, edition in (("f1", "flagship"), ("a1", None))
        ]  # fmt: skip
        path = place / "landing/call_logs/arrived_on=2026-09-04/again.jsonl"
        write(path, json_lines(*again))
        settle(project, place, 4)

    return make_once("editions-unasked", make)


@pytest.fixture(scope="module")
def unasked() -> Path:
    """Settled through the 2nd, by a catalogue that asks for no attributes."""
    return _unasked() / "first"


@pytest.fixture(scope="module")
def asked_later() -> Path:
    """Settled through the 4th, after a claim that asks for an edition was added. Its catalogue is
    in `project` beside it."""
    return _unasked() / "second"


def test_a_charged_call_keeps_its_component(unasked: Path, asked_later: Path) -> None:
    """Whatever becomes known of the account, and of an edition that was kept from night to night
    while no claim asked for it."""
    has = "select distinct contains(action, 'edition=flagship')"
    kept = f"{has} from intermediate.int_calls_again"
    assert sorted(query_warehouse(unasked, kept)) == [(False,), (True,)]
    assert query(asked_later, LINES) == [
        ("2026-09-02", SHOP, "wsa_standard", "usage", 2, Decimal("0.092")),
        ("2026-09-04", SHOP, "wsa_flagship", "usage", 1, Decimal("0.08")),
    ]
    dispositions = "select request_id, disposition from billing.calls order by settled_on, 1"
    assert query(asked_later, dispositions)[2:] == [
        ("a1", "duplicate"), ("b1", "billed"), ("f1", "duplicate"),
    ]  # fmt: skip
    project = asked_later.parent / "project"
    succeed(callbill("verify", *places(asked_later), project=project))


def test_a_catalogue_that_asks_for_no_attributes_joins_by_action_alone(unasked: Path) -> None:
    [kept] = (unasked / "warehouse.duckdb.files" / "dbt" / "plans").iterdir()
    models = {model.name: model.sql for model in plans.from_json(kept.read_text()).models}
    reading = [name for name, sql in models.items() if "account_attributes" in sql]
    assert reading == ["stg_account_attributes"]
    assert "lambda" not in models["stg_call_logs"]
    attributes = "select distinct attributes from raw.call_logs order by all"
    assert query_warehouse(unasked, attributes) == [("edition=flagship",), (None,)]
