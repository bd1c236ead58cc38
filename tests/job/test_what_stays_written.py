"""A night does not write again what it would write as it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import duckdb
import pytest
from callbill.base.settings import load_settings, load_vars
from callbill.warehouse import plan
from callbill.warehouse.layout import CALL_STATES, CALLS, Layout

from tests.support.commands import callbill, run_after, settle, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import copy_of, places, query, query_warehouse
from tests.support.shared import make_once
from tests.support.vendor_bills import COMPONENT, bill, row

FIRST = date(2026, 3, 3)
DAYS = [FIRST + timedelta(days=n) for n in range(4)]
OWNER = "100000000001"
MARK = "written before"


@pytest.fixture(scope="module")
def two_nights() -> Path:
    return make_once("two-nights", make_two_nights)


def make_two_nights(place: Path) -> None:
    for day in DAYS:
        write(
            place / f"landing/call_logs/arrived_on={day}/calls.jsonl",
            json_lines(
                record(str(day), owner_uin=OWNER, called_at=f"{day - timedelta(days=1)}T10:00:00Z")
            ),
        )
    settle(place, DAYS[1])


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


def test_what_has_no_records_and_views_stay_and_what_is_gone_is_written(
    two_nights: Path, tmp_path: Path
) -> None:
    place = marked(two_nights, tmp_path)
    gone = ("view billing.monthly_changes", "table billing.account_arrears")
    with duckdb.connect(place / "warehouse.duckdb") as con:
        for relation in gone:
            con.execute(f"drop {relation}")
    layout = Layout(place / "warehouse.duckdb")
    without_calls, without_states = layout.empty(CALLS), layout.empty(CALL_STATES)
    without_calls.unlink()
    written_at = without_states.stat().st_mtime_ns
    settle(place, DAYS[2])
    assert marks(place) == ["calendar", "reconciliation"]
    assert without_states.stat().st_mtime_ns == written_at
    assert without_calls.exists()
    for relation in gone:
        query(place, f"from {relation.split()[1]}")


def cut_off(file: Path) -> None:
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-20])


def overwritten(file: Path) -> None:
    """But for the signs at both ends, and the length."""
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:4] + bytes(len(content) - 12) + content[-8:])


def as_of_other_models(file: Path) -> None:
    """As it is beside an older database that was put back."""
    other = file.with_suffix(".other")
    duckdb.sql(f"copy (select *, 7 as extra from '{file}') to '{other}' (format parquet)")
    other.replace(file)


@pytest.mark.parametrize("damage", [cut_off, overwritten, as_of_other_models])
def test_a_file_without_rows_that_is_damaged_or_has_other_columns_is_written_again(
    two_nights: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    place = copy_of(two_nights, tmp_path)
    files = [Layout(place / "warehouse.duckdb").empty(model) for model in (CALLS, CALL_STATES)]
    columns = [duckdb.sql(f"describe from '{file}'").fetchall() for file in files]
    for file in files:
        damage(file)
    settle(place, DAYS[2])
    assert [duckdb.sql(f"describe from '{file}'").fetchall() for file in files] == columns
    assert query_warehouse(place, "select count(*) from intermediate.int_calls") == [(3,)]


def test_a_night_of_another_kind_writes_all(two_nights: Path, tmp_path: Path) -> None:
    """A waiver has prices depend on how much, for which models have other SQL."""
    place = marked(two_nights, tmp_path)
    waiver = {"waiver_id": "w", "owner_uin": OWNER, "usage_date": str(FIRST), "calls": 1,
              "component_code": COMPONENT, "reason": "outage"}  # fmt: skip
    write(place / f"landing/waivers/arrived_on={DAYS[2]}/a.jsonl", json_lines(waiver))
    settle(place, DAYS[2])
    assert marks(place) == []
    # They read the same: a simulation takes whichever is compiled to know what to copy.
    plans = list((place / "warehouse.duckdb.files" / "dbt" / "plans").iterdir())
    reads = [
        {model.name: model.reads for model in plan.from_json(path.read_text()).models}
        for path in plans
    ]
    assert len(reads) > 1
    assert all(read == reads[0] for read in reads)


def build_with_dbt(place: Path) -> None:
    """As `dbt build --select calendar` by hand."""
    plan.run_dbt(
        place / "warehouse.duckdb",
        place / "by-hand",
        load_vars(load_settings()),
        *("build", "--select", "calendar"),
    )


def test_a_night_after_dbt_writes_all(two_nights: Path, tmp_path: Path) -> None:
    place = marked(two_nights, tmp_path)
    succeed(run_after(partial(build_with_dbt, place), place, "--through", DAYS[2]))
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
