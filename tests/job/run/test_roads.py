"""The job run again, and by another road: the figures stay."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import duckdb

from tests.support.commands import run_job
from tests.support.places import copy_of, figures, query
from tests.support.story import (
    entries,
    land,
    record,
    status,
)

MADE_ANEW = "The warehouse did not have what is sealed, and was made anew"


def test_the_story_says_what_a_person_works_out(once: Path) -> None:
    lines = query(
        once,
        """
        select settled_on, usage_date, line_type, calls, real_cost::varchar
        from billing.bill_lines order by all
        """,
    )
    d = date.fromisoformat
    assert lines == [
        # s-1 and s-2 on their day
        (d("2026-03-02"), d("2026-03-01"), "usage", 2, "0.12000000"),
        # s-3; s-1 again is a duplicate, s-4 was used on the 3rd and waits for the 4th
        (d("2026-03-03"), d("2026-03-02"), "usage", 1, "0.06000000"),
        # the contract: 60 × 0.855 = 51.3 for what was charged at 60, and for s-4 from the start
        (d("2026-03-04"), d("2026-03-01"), "rerating", -2, "-0.12000000"),
        (d("2026-03-04"), d("2026-03-01"), "rerating", 2, "0.10260000"),
        (d("2026-03-04"), d("2026-03-02"), "rerating", -1, "-0.06000000"),
        (d("2026-03-04"), d("2026-03-02"), "rerating", 1, "0.05130000"),
        (d("2026-03-04"), d("2026-03-03"), "usage", 1, "0.05130000"),
        # s-2 turned out to have failed, s-5 is late
        (d("2026-03-05"), d("2026-03-01"), "correction", -1, "-0.05130000"),
        (d("2026-03-05"), d("2026-03-01"), "late_usage", 1, "0.05130000"),
    ]
    settlements = query(
        once,
        "select settled_on, rated_amount::varchar, deducted_amount::varchar"
        " from billing.settlements order by 1",
    )
    assert settlements == [
        (d("2026-03-02"), "0.12000000", "0.12"),
        (d("2026-03-03"), "0.06000000", "0.06"),
        # -0.12 + 0.1026 - 0.06 + 0.0513 + 0.0513
        (d("2026-03-04"), "0.02520000", "0.03"),
        (d("2026-03-05"), "0.00000000", "0.00"),
    ]
    [adjustment] = query(
        once,
        "select rated_amount::varchar, deducted_amount::varchar, adjustment_amount::varchar,"
        " is_final from billing.precision_adjustments",
    )
    assert adjustment == ("0.20520000", "0.21", "0.00480000", False)


def test_a_sealed_date_names_the_run_that_sealed_it(once: Path, nightly: Path) -> None:
    sealed_by = "select count(distinct run_id) from ops.sealed_settlements"
    assert query(once, sealed_by) == [(1,)]
    assert query(nightly, sealed_by) == query(
        nightly, "select count(*) from ops.sealed_settlements"
    )


def test_day_by_day_and_at_once_give_the_same_tables(once: Path, nightly: Path) -> None:
    assert figures(nightly) == figures(once)


def test_a_reader_keeps_the_release_it_opened(nightly: Path) -> None:
    # Asserted in the fixture: the reader saw the same before and after four more releases.
    assert len(list((nightly / "published" / "releases").iterdir())) == 5


def test_a_night_publishes_links_to_the_calls_of_sealed_dates(nightly: Path) -> None:
    first, *_others, last = sorted((nightly / "published" / "releases").iterdir())
    part = "parquet/calls/settled_on=2026-03-02"
    [before], [after] = list((first / part).iterdir()), list((last / part).iterdir())
    assert before.samefile(after)


def test_parquet_copies_equal_the_tables(once: Path) -> None:
    release = once / "published" / "current"
    with duckdb.connect(str(release / "callbill.duckdb"), read_only=True) as con:
        for table in (
            "daily_usage", "bill_lines", "settlements", "precision_adjustments", "monthly_bills",
        ):  # fmt: skip
            copy = f"read_parquet('{release}/parquet/{table}.parquet')"
            for one, other in ((copy, f"billing.{table}"), (f"billing.{table}", copy)):
                assert con.execute(f"from {one} except all from {other}").fetchall() == []
            described = [
                con.execute(f"describe from {s}").fetchall() for s in (copy, f"billing.{table}")
            ]
            assert [r[:2] for r in described[0]] == [r[:2] for r in described[1]]
        calls = f"read_parquet('{release}/parquet/calls/*/*.parquet')"
        assert con.execute(f"from {calls} except all from billing.calls").fetchall() == []
        assert con.execute("select count(*) from billing.calls").fetchall() == [(7,)]


def test_running_again_changes_nothing(once: Path, tmp_path: Path) -> None:
    place = copy_of(once, tmp_path)
    before = (place / "published" / "current").resolve()
    ended = run_job(place, "--through", "2026-03-06")
    assert ended.returncode == 0
    assert "Nothing due" in ended.stdout
    assert MADE_ANEW not in ended.stdout
    assert (place / "published" / "current").resolve() == before
    assert status(place)["outcome"] == "nothing_due"
    # An earlier date neither.
    assert run_job(place, "--through", "2026-03-01").returncode == 0
    assert (place / "published" / "current").resolve() == before


def test_a_lost_warehouse_is_made_again_from_landing_and_release(
    once: Path, tmp_path: Path
) -> None:
    place = copy_of(once, tmp_path)
    # Its file is lost; what lay beside it is not counted twice.
    (place / "warehouse.duckdb").unlink()
    # Files put back today seem to arrive later than they did.
    for path in (place / "landing").rglob("*.jsonl"):
        os.utime(path)
    ended = run_job(place, "--through", "2026-03-07")
    assert ended.returncode == 0, ended.stderr
    assert MADE_ANEW in ended.stdout
    before, after = figures(once), figures(place)
    assert after["settlement_hashes"].pop("2026-03-07")
    assert after["settlement_hashes"] == before["settlement_hashes"]
    assert after["table_hashes"] == before["table_hashes"]


def test_a_dry_run_leaves_no_trace(nightly: Path, tmp_path: Path) -> None:
    place = copy_of(nightly, tmp_path)
    land(place, "2026-03-07", record("dry-1", "2026-03-06T10:00:00+08:00"))
    before = entries(place)
    ended = run_job(place, "--through", "2026-03-07", "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "2026-03-07" in ended.stdout
    assert entries(place) == before


def test_what_is_no_release_is_left_alone(nightly: Path, next_night: Path) -> None:
    releases = next_night / "copy" / "published" / "releases"
    kept = sorted(path.name for path in releases.iterdir())
    assert {"notes", "2026", "zzz"} < set(kept)
    assert len(kept) == 2 + 3
    assert (nightly / "published" / "current").resolve().name in kept
