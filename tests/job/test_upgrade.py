"""A warehouse and releases that an older callbill wrote: tests/fixtures/callbill-0.1.0.tar.zst.

0.1.0 settled 2 to 5 March 2026 in two nights: calls with a re-delivery, a late failure and a late
call, a contract that came late, a recharge, two rejected lines.
"""

from __future__ import annotations

import shutil
from datetime import date
from functools import partial
from pathlib import Path

import duckdb
import pytest

from tests.support.commands import callbill, run_job
from tests.support.landing_files import json_lines, record, write
from tests.support.parsed import lend_no_docs
from tests.support.places import copy_of, manifest, places, query, query_warehouse
from tests.support.project_copy import ProjectCopy
from tests.support.releases_of_0_6_0 import place_of_0_1_0
from tests.support.shared import make_once


@pytest.fixture(scope="module")
def old() -> Path:
    return place_of_0_1_0()


@pytest.fixture(scope="module")
def upgraded(old: Path) -> Path:
    """The next night, by today's callbill."""
    return make_once("upgraded", partial(upgrade, old)) / "copy"


def upgrade(old: Path, folder: Path) -> None:
    place = copy_of(old, folder)
    late = record("s-7", owner_uin="100000000071", called_at="2026-03-05T10:00:00+08:00")
    write(place / "landing/call_logs/arrived_on=2026-03-06/calls.jsonl", json_lines(late))
    ended = run_job(place, "--through", "2026-03-06")
    assert ended.returncode == 0, ended.stderr


def test_what_is_sealed_stays_as_it_was(old: Path, upgraded: Path) -> None:
    before, now = manifest(old), manifest(upgraded)
    assert len(before["settlement_hashes"]) == 4
    assert before["settlement_hashes"].items() < now["settlement_hashes"].items()
    lines = "select settled_on, line_type, calls, real_cost from billing.bill_lines order by all"
    assert query(upgraded, lines)[: len(query(old, lines))] == query(old, lines)
    assert query(upgraded, lines)[-1][:3] == (date(2026, 3, 6), "usage", 1)


def test_what_the_job_knew_it_still_knows(old: Path, upgraded: Path) -> None:
    for said in (
        "select run_id, outcome, records_accepted from ops.runs",
        "select path, source_file_id, settlement_floor, records_rejected from ops.source_files",
        "select path, line_number, reason from ops.rejected_records",
        "select source_file_id, owner_uin, discount from raw.contracts",
        "select event_id, amount from raw.account_events",
    ):
        before, now = query_warehouse(old, said), query_warehouse(upgraded, said)
        assert before
        assert set(before) <= set(now)


def test_shares_of_the_days_before_are_known_at_once(upgraded: Path) -> None:
    """A new table is made for the days that a control looks back on."""
    counted = "select settled_on, sum(records) from intermediate.int_records_by_action group by 1"
    loaded = "select settled_on, count(*) from raw.call_logs group by 1"
    place = str(upgraded / "warehouse.duckdb")
    with duckdb.connect(place, read_only=True) as con:
        rows = con.execute(f"{counted} order by 1").fetchall()
        assert rows == con.execute(f"{loaded} order by 1").fetchall()
    assert rows[0][0] == date(2026, 3, 2)


def test_a_release_of_before_can_be_read_before_the_upgrade(old: Path) -> None:
    for command, said in (
        (("bill", "--owner", "100000000071", "--month", "2026-03"), "100000000071"),
        (("verify",), "4 files"),
    ):
        ended = callbill(*command, *places(old))
        assert (ended.returncode, ended.stderr.count("unexpected")) == (0, 0), ended.stderr
        assert said in ended.stdout, command
    for command in (("rejects",), ("runs",), ("explain", "--request-id", "s-1")):
        ended = callbill(*command, *places(old))
        assert ended.returncode == 2
        assert "written by an older callbill: `callbill run` upgrades it" in ended.stderr


def test_a_release_of_before_can_be_rebuilt_from(old: Path, tmp_path: Path) -> None:
    place = copy_of(old, tmp_path)
    ended = callbill("rebuild", *places(place))
    assert ended.returncode == 0, ended.stderr
    ended = callbill("explain", "--request-id", "s-1", *places(place))
    assert "s-1 on 2026-03-02: billed" in ended.stdout


def test_two_releases_of_two_versions_can_be_compared(old: Path, upgraded: Path) -> None:
    names = [path.name for path in sorted((upgraded / "published" / "releases").iterdir())]
    ended = callbill("diff", names[1], names[2], *places(upgraded))
    assert ended.returncode == 0, ended.stderr
    assert "Every date that was sealed says what it said." in ended.stdout
    assert "arrived_on=2026-03-06" in ended.stdout
    assert "arrived_on=2026-03-02" not in ended.stdout


def test_callbill_may_move(tmp_path: Path) -> None:
    """A new version in a new folder: what dbt remembers of the old one, which is gone, is not asked
    for."""
    place, project = tmp_path / "place", ProjectCopy.in_folder(tmp_path / "project")
    for day in (2, 3):
        folder = place / f"landing/call_logs/arrived_on=2026-03-0{day + 1}"
        calls = record(f"c-{day}", called_at=f"2026-03-0{day}T10:00:00+08:00")
        write(folder / "calls.jsonl", json_lines(calls))
    # Not with a page that the tests lend: dbt reads the models there.
    ended = run_job(place, "--through=2026-03-03", project=project.folder, before=lend_no_docs)
    assert ended.returncode == 0, ended.stderr
    shutil.rmtree(project.folder)
    ended = run_job(place, "--through", date(2026, 3, 4))
    assert ended.returncode == 0, ended.stderr
    assert query(place, "select sum(calls)::int from billing.bill_lines") == [(2,)]


def test_a_newer_callbills_warehouse_is_left_alone(upgraded: Path, tmp_path: Path) -> None:
    place = tmp_path / "newer"
    shutil.copytree(upgraded, place, symlinks=True)
    with duckdb.connect(str(place / "warehouse.duckdb")) as con:
        con.execute("update ops.warehouse set schema_version = 99")
    for command in (("run", "--through=2026-03-07"), ("explain", "--request-id=s-1")):
        ended = callbill(*command, *places(place))
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "was written by a newer callbill (schema 99" in ended.stderr
