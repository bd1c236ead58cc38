"""What callbill 0.7.0 left: later versions go on with it, with the warehouse and without.

tests/fixtures/README.md tells what the place holds. Call logs of its first day were archived, and
are away.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from callbill.tasks.build import MODELS_WITH_A_PAST

from tests.support.commands import callbill, succeed
from tests.support.places import copy_of, lose_warehouse, manifest, query, query_warehouse
from tests.support.project import PROJECT
from tests.support.releases_of_0_6_0 import differences, read, unpack
from tests.support.shared import make_once


@pytest.fixture(scope="module")
def old() -> Path:
    return make_once("place-of-0.7.0", lambda folder: unpack("callbill-0.7.0.tar.zst", folder))


def settle_next_night(place: Path) -> None:
    shutil.copytree(place / "next-night" / "landing", place / "landing", dirs_exist_ok=True)
    through = read(place / "next-night" / "expected.json")["through"]
    ended = callbill("run", "--through", through, cwd=place)
    succeed(ended)


@pytest.mark.parametrize("is_lost", [False, True])
def test_the_next_night_is_settled_as_0_7_0_settles_it(
    old: Path, tmp_path: Path, is_lost: bool
) -> None:
    place = copy_of(old, tmp_path)
    before = manifest(place)
    if is_lost:
        lose_warehouse(place)
        ended = callbill("rebuild", cwd=place)
        succeed(ended)
        assert "the warehouse was made from the checkpoint" in " ".join(ended.stdout.split())
    settle_next_night(place)
    assert differences(place / "published", read(place / "next-night/expected.json")) == []
    assert before["settlement_hashes"].items() < manifest(place)["settlement_hashes"].items()
    ended = callbill("verify", cwd=place)
    succeed(ended)
    assert "files are archived and away" in ended.stdout


def test_what_is_sealed_can_be_read_and_verified(old: Path, tmp_path: Path) -> None:
    place = copy_of(old, tmp_path)
    succeed(callbill("verify", cwd=place))
    bill = callbill("bill", "--owner", "100000017001", "--month", "2026-09", cwd=place)
    succeed(bill)
    assert "文字识别" in bill.stdout
    # Calls waited for the product, and lines for another shape.
    calls = place / "published/current/parquet/calls/*/*.parquet"  # the place has moved
    assert duckdb.sql(
        f"select left(request_id, 3), sum(calls_billed)::int from '{calls}'"
        " where left(request_id, 3) in ('7o-', '7s-', '7h-') group by all order by all",
    ).fetchall() == [("7h-", 5), ("7o-", 5), ("7s-", 2)]
    assert query(
        place, "select count(*) from billing.bill_lines where line_type = 'rerating'"
    ) != [(0,)]  # fmt: skip


def test_a_kept_model_that_it_lacks_gets_its_earlier_dates(old: Path) -> None:
    """Otherwise the model would have new dates only, without a word."""
    kept = {
        path.stem
        for path in (PROJECT / "models").rglob("*.sql")
        if 'materialized="incremental"' in path.read_text()
    }
    there = {name for (name,) in query_warehouse(old, "select table_name from duckdb_tables()")}
    assert "bill_lines" in kept & there
    assert kept - there <= {name for _schema, name in MODELS_WITH_A_PAST}
