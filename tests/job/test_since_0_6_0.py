"""What callbill 0.6.0 settled, held against today's: the same figures, and what is sealed stays.

tests/fixtures/README.md tells what the places and the worlds hold that 0.6.0 left.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.commands import callbill, run_after, succeed
from tests.support.places import copy_of, lose_warehouse, manifest, places, query
from tests.support.project import FIXTURES
from tests.support.releases_of_0_6_0 import (
    by_the_rules_of_0_6_0,
    check_worlds,
    differences,
    land_next_night,
    place_of_0_6_0,
    read,
    settled_by_todays_rules,
    unpack,
)
from tests.support.shared import make_once


def test_the_sample_is_settled_as_it_was(sample_release: Path) -> None:
    assert differences(sample_release, read(FIXTURES / "sample-0.6.0.json")) == []


# --- generated worlds ---


def test_worlds_begin_as_they_did(tmp_path: Path) -> None:
    """One night of one set. tests/campaigns/test_worlds_of_0_6_0.py holds all nights of all."""
    worlds = make_once("worlds-0.6.0", lambda folder: unpack("worlds-0.6.0.tar.zst", folder))
    check_worlds(worlds / "several-products", tmp_path, nights=1)


# --- places ---


@dataclass(frozen=True)
class Asked:
    """Something that a place knows of."""

    owner: str
    request_id: str
    rejected_file: str


ASKED = {
    "clean": Asked("100000016002", "2a-0828-1", "arrived_on=2026-09-03/late.jsonl"),
    "dirty": Asked("100000015002 ", "blank-first ", "format=envelope/never.jsonl"),
}


@pytest.fixture(scope="module", params=ASKED)
def name(request: pytest.FixtureRequest) -> str:
    place: str = request.param
    return place


@pytest.fixture(scope="module")
def old(name: str) -> Path:
    """A place as 0.6.0 left it."""
    return place_of_0_6_0(name)


def place_after(name: str) -> Path:
    """A place of 0.6.0 one night later: re-deliveries, a late failure, late usage."""
    old = place_of_0_6_0(name)
    folder = make_once(f"{name}-after", lambda folder: settle_next_night(copy_of(old, folder)))
    return folder / "copy"


@pytest.fixture(scope="module")
def after(name: str) -> Path:
    """The same place one night later."""
    return place_after(name)


def settle_next_night(place: Path) -> None:
    """By the rules of 0.6.0."""
    land_next_night(place)
    through = read(place / "next-night" / "expected.json")["through"]
    succeed(run_after(by_the_rules_of_0_6_0, place, "--through", through))


def test_what_was_delivered_again_counts_from_today_on() -> None:
    """Of account 100000004011: 0.9, then 0.8, then the bytes of the first file again. 0.6.0 knew
    them and left the account at 0.8, also on a date that it sealed."""
    old, place = place_of_0_6_0("dirty"), settled_by_todays_rules()
    assert (old / "landing/contracts/arrived_on=2026-09-02/nightly.csv").exists()
    for release, price in ((old, "48.00000000"), (place, "54.00000000")):
        prices = query(
            release,
            "select contract_price::varchar from billing.bill_lines"
            " where owner_uin = '100000004011' and line_type = 'usage'"
            " order by settled_on desc limit 1",
        )
        assert prices == [(price,)]
    before, now = manifest(old), manifest(place)
    assert before["settlement_hashes"].items() < now["settlement_hashes"].items()
    loads = [load for load in manifest(place)["loads"] if load["path"].endswith("nightly.csv")]
    assert [load["arrived_on"] for load in loads] == ["2026-08-29", "2026-09-04"]


def calls(place: Path, through: str) -> list[tuple[Any, ...]]:
    files = place / "published/current/parquet/calls/*/*.parquet"
    return duckdb.sql(f"from '{files}' where settled_on <= '{through}' order by all").fetchall()


def test_the_next_night_is_settled_as_0_6_0_settles_it(after: Path) -> None:
    """By the rules of 0.6.0. Today's read dirty files otherwise, see
    test_spellings_since_0_6_0.py."""
    found = differences(after / "published", read(after / "next-night" / "expected.json"))
    assert found == []


# Of bill lines, for prices that depend on how much.
LATER_COLUMNS = ("tier_from", "package_id", "waiver_id", "waiver_reason")


def test_what_is_sealed_stays_as_it_was(old: Path, after: Path) -> None:
    before, now = manifest(old), manifest(after)
    assert before["settlement_hashes"].items() < now["settlement_hashes"].items()
    through = before["through"]
    assert calls(old, through) == calls(after, through) != []
    for table in ("bill_lines", "settlements"):
        where = f"from billing.{table} where settled_on <= '{through}'"
        rows = f"select columns(lambda c: c not in {LATER_COLUMNS}) {where} order by all"
        assert query(old, rows) == query(after, rows) != []
    nothing = " and ".join(f"{column} is null" for column in LATER_COLUMNS)
    assert query(after, f"select bool_and({nothing}) from billing.bill_lines") == [(True,)]


def test_lines_of_before_are_shared_out_too(after: Path) -> None:
    """A mart that 0.6.0 did not have holds what it settled."""
    assert (
        query(
            after,
            """
        with shares as (
            select line_id, sum(calls) as calls, sum(real_cost) as real_cost
            from billing.cost_allocation group by line_id
        )
        select line_id from billing.bill_lines as l left join shares as s using (line_id)
        where s.calls is distinct from l.calls or s.real_cost is distinct from l.real_cost
        """,
        )
        == []
    )
    [(lines, first)] = query(
        after, "select count(distinct line_id), min(settled_on) from billing.cost_allocation"
    )
    assert lines > 50
    assert str(first) in manifest(after)["settlement_hashes"]


def test_a_lost_warehouse_is_made_anew(tmp_path: Path) -> None:
    """By the next run; test_spellings_since_0_6_0.py rebuilds that of the dirty place."""
    place, after = copy_of(place_of_0_6_0("clean"), tmp_path), place_after("clean")
    lose_warehouse(place)
    settle_next_night(place)
    hashes = ("settlement_hashes", "table_hashes")
    assert [manifest(place)[kind] for kind in hashes] == [manifest(after)[kind] for kind in hashes]


def test_the_bill_is_verified(old: Path, after: Path) -> None:
    for place in (old, after):
        ended = callbill("verify", *places(place))
        assert (ended.returncode, ended.stderr.count("difference")) == (0, 0), ended.stderr


def test_releases_of_two_versions_are_compared(old: Path, after: Path) -> None:
    ended = callbill("diff", manifest(old)["run_id"], "current", *places(after))
    assert ended.returncode == 0, ended.stderr
    assert "Every date that was sealed says what it said." in ended.stdout
    first, *_ = sorted(path.name for path in (old / "published" / "releases").iterdir())
    ended = callbill("diff", first, "current", *places(old))
    assert ended.returncode == 0, ended.stderr
    assert "Every date that was sealed says what it said." in ended.stdout


def test_a_place_can_be_read(name: str, old: Path, after: Path) -> None:
    asked = ASKED[name]
    for place in (old, after):
        for command, shown in (
            (("bill", f"--owner={asked.owner}", "--month=2026-08"), "usage"),
            (("runs",), manifest(old)["run_id"]),
            (("rejects",), asked.rejected_file),
        ):
            ended = callbill(*command, *places(place))
            assert (ended.returncode, ended.stderr) == (0, ""), command
            assert shown in ended.stdout, command


def test_lines_and_calls_of_before_are_explained(name: str, after: Path) -> None:
    """After a run: 0.6.0 wrote into its warehouse where its files lay, and the place has moved."""
    asked = ASKED[name]
    of_owner = f"from billing.bill_lines where owner_uin = '{asked.owner}'"
    line_id = query(after, f"select line_id {of_owner} order by settled_on, line_id limit 1")[0][0]
    for command, shown in (
        (
            ("explain", f"--request-id={asked.request_id}"),
            f"Request {asked.request_id} on 2026-08-29: billed",
        ),
        (("explain", line_id), asked.owner),
    ):
        ended = callbill(*command, *places(after))
        assert (ended.returncode, ended.stderr) == (0, ""), command
        assert shown in ended.stdout, command
