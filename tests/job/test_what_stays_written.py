"""A night does not write again what it would write as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.support.commands import callbill, settle, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import copy_of, places, query, query_warehouse
from tests.support.project import PROJECT
from tests.support.vendor_bills import COMPONENT, bill, row

FIRST = date(2026, 3, 3)
DAYS = [FIRST + timedelta(days=n) for n in range(5)]
OWNER = "100000000001"
MARK = "written before"


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("nights")
    for day in DAYS:
        write(
            place / f"landing/call_logs/arrived_on={day}/calls.jsonl",
            json_lines(
                record(str(day), owner_uin=OWNER, called_at=f"{day - timedelta(days=1)}T10:00:00Z")
            ),
        )
    for day in DAYS[:2]:
        settle(place, day)
    return place


def marked(two_nights: Path, tmp_path: Path) -> Path:
    """The place, with a mark on a view and on the table of a feed without records."""
    place = copy_of(two_nights, tmp_path)
    with duckdb.connect(place / "warehouse.duckdb") as con:
        con.execute(f"comment on view billing.calendar is '{MARK}'")
        con.execute(f"comment on table billing.reconciliation is '{MARK}'")
    return place


def marks(place: Path) -> list[str]:
    """What still has its mark."""
    return [
        name
        for (name,) in query_warehouse(
            place,
            f"select table_name from duckdb_tables() where comment = '{MARK}'"
            f" union all select view_name from duckdb_views() where comment = '{MARK}' order by 1",
        )
    ]


def test_views_and_tables_of_a_feed_without_records_stay(two_nights: Path, tmp_path: Path) -> None:
    place = marked(two_nights, tmp_path)
    settle(place, DAYS[2])
    assert marks(place) == ["calendar", "reconciliation"]


def test_what_is_gone_is_written(two_nights: Path, tmp_path: Path) -> None:
    place = copy_of(two_nights, tmp_path)
    with duckdb.connect(place / "warehouse.duckdb") as con:
        con.execute("drop view billing.calendar")
        con.execute("drop table billing.reconciliation")
    settle(place, DAYS[2])
    assert query(place, "select count(*) > 0 from billing.calendar") == [(True,)]
    assert query(place, "from billing.reconciliation") == []


def test_a_night_of_another_kind_writes_all(two_nights: Path, tmp_path: Path) -> None:
    """A waiver has prices depend on how much, for which models have other SQL."""
    place = marked(two_nights, tmp_path)
    waiver = {"waiver_id": "w", "owner_uin": OWNER, "usage_date": str(FIRST), "calls": 1,
              "component_code": COMPONENT, "reason": "outage"}  # fmt: skip
    write(place / f"landing/waivers/arrived_on={DAYS[2]}/a.jsonl", json_lines(waiver))
    settle(place, DAYS[2])
    assert marks(place) == []


def test_a_night_after_dbt_writes_all(two_nights: Path, tmp_path: Path) -> None:
    place = marked(two_nights, tmp_path)
    dbt = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "build", "--select", "calendar", "--profiles-dir",
         ".", "--target-path", tmp_path / "target", "--log-path", tmp_path / "logs"],
        cwd=PROJECT,
        env=os.environ | {"CALLBILL_WAREHOUSE": str(place / "warehouse.duckdb"),
                          "CALLBILL_WAREHOUSE_FILES": str(place / "warehouse.duckdb.files"),
                          "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert dbt.returncode == 0, dbt.stdout
    settle(place, DAYS[2])
    assert marks(place) == []


def test_a_bill_of_the_vendor_comes_and_goes(two_nights: Path, tmp_path: Path) -> None:
    place = copy_of(two_nights, tmp_path)
    file = f"vendor_bills/arrived_on={DAYS[2]}/bill.csv"
    write(place / "landing" / file, bill([row(OWNER, str(FIRST), 3)]))
    settle(place, DAYS[2])
    assert query(place, "select vendor_calls from billing.reconciliation where vendor_calls > 0")
    succeed(callbill("quarantine", *places(place), file, "--reason=planted"))
    settle(place, DAYS[3])
    assert query(place, "from billing.reconciliation") == []
    settle(place, DAYS[4])
    assert query(place, "from billing.reconciliation") == []
