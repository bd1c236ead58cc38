"""With Spark the bill is the same, to the last digit: DuckDB's runs of the same files say so."""

from __future__ import annotations

import os
import signal
import time
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Thread

import duckdb
import pytest

from tests.conftest import (
    SAMPLE_THROUGH,
    callbill,
    copy_of,
    figures,
    manifest,
    places,
    query,
    run_after,
    run_job,
    run_on_spark,
    succeed,
    with_spark,
)
from tests.landing_files import csv_file, json_lines, record, write
from tests.test_crashes import land
from tests.test_ingest_fuzz import GROUPS, both_ways

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def sample_on_spark(sample_place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sample on spark")
    (place / "landing").symlink_to((sample_place / "landing").resolve())
    succeed(run_on_spark(place, "--through", SAMPLE_THROUGH))
    return place


def test_the_sample(sample_place: Path, sample_on_spark: Path) -> None:
    assert figures(sample_on_spark) == figures(sample_place)
    assert "pyspark" in manifest(sample_on_spark)["versions"]
    assert "pyspark" not in manifest(sample_place)["versions"]


def test_what_was_read_and_rejected(sample_place: Path, sample_on_spark: Path) -> None:
    for sql in (
        "select * exclude (run_id) from ops.rejected_records order by all",
        "select * exclude (run_id, loaded_at) from ops.source_files order by all",
    ):
        assert query(sample_on_spark, sql) == query(sample_place, sql)


def test_a_warehouse_stays_with_its_engine(sample_on_spark: Path, tmp_path: Path) -> None:
    place = copy_of(sample_on_spark, tmp_path)
    ended = run_job(place, "--through", date(2026, 10, 3))
    assert ended.returncode == 2
    assert "was built with --engine spark" in ended.stderr
    succeed(callbill("rebuild", *places(place)))
    succeed(run_job(place, "--through", date(2026, 10, 3)))
    ended = run_on_spark(place, "--through", date(2026, 10, 4))
    assert ended.returncode == 2
    assert "callbill rebuild --engine spark" in ended.stderr
    succeed(callbill("rebuild", "--engine", "spark", *places(place)))


def test_killed_while_it_writes(tmp_path: Path) -> None:
    """With its Spark, in the middle of replacing a date's partition."""
    once, killed = tmp_path / "once", tmp_path / "killed"
    for place in (once, killed):
        land(place, 3)
    succeed(run_job(once, "--through", date(2026, 3, 5)))
    first, last = ("--through", "2026-03-03"), ("--through", "2026-03-05")
    succeed(run_on_spark(killed, *first))
    for table in ("int_calls", "spark/billing.bill_lines"):
        folder = killed / "warehouse.duckdb.files" / table
        with with_spark():
            ended = run_after(partial(die_once_it_writes, folder), killed, *last)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        assert any(folder.glob(".spark-staging*")) or any(folder.glob("_temporary"))
    succeed(run_on_spark(killed, *last))
    assert figures(killed) == figures(once)


def die_once_it_writes(folder: Path) -> None:
    os.setpgrp()

    def watch() -> None:
        while not any(path for path in folder.glob(".spark-staging*/*")):
            time.sleep(0.001)
        os.killpg(0, signal.SIGKILL)

    Thread(target=watch, daemon=True).start()


PRICES = ("9999999999.99999999", "0.00000001", "1234567890.12345678", "0.00000500")


@pytest.mark.parametrize("rounding", ["half_up", "down"])
def test_decimals_at_their_limits(tmp_path: Path, rounding: str) -> None:
    """Spark would cut decimals off where it runs out of digits, and say nothing."""
    for name, run in (("duckdb", run_job), ("spark", run_on_spark)):
        place = tmp_path / name
        owners = [str(n) for n in range(len(PRICES))]
        write(
            place / "landing/contracts/arrived_on=2026-03-01/contracts.csv",
            csv_file(
                [
                    {
                        "owner_uin": owner,
                        "component_code": "wimgs_search_by_text",
                        "effective_from": "2026-03-01",
                        "contract_price": price,
                    }
                    for owner, price in zip(owners, PRICES, strict=True)
                ]
            ),
        )
        write(
            place / "landing/call_logs/arrived_on=2026-03-02/calls.jsonl",
            json_lines(
                *(
                    record(f"{owner} {n}", owner_uin=owner, called_at="2026-03-01T10:00:00+08:00")
                    for owner in owners
                    for n in range(1007)
                )
            ),
        )
        succeed(run(place, "--through", "2026-03-02", "--vars", f"deduction_rounding: {rounding}"))
    said = query(
        tmp_path / "spark",
        "select contract_price, real_cost from billing.bill_lines order by owner_uin",
    )
    # 1.007 thousand calls, at 8 decimals.
    assert said == [
        (Decimal("9999999999.99999999"), Decimal("10069999999.99999999")),
        (Decimal("0.00000001"), Decimal("0.00000001")),
        (Decimal("1234567890.12345678"), Decimal("1243209865.35432098")),
        (Decimal("0.00000500"), Decimal("0.00000504")),
    ]
    assert figures(tmp_path / "spark") == figures(tmp_path / "duckdb")


def test_odd_lines(tmp_path: Path) -> None:
    """Whatever is taken for clean, the same comes of it; and of what is not, too."""
    files: dict[str, bytes] = {}
    for name in GROUPS:
        if "csv" not in name:
            alone, spoilt = both_ways(name)
            files |= alone | spoilt
    found = {}
    for name, run in (("duckdb", run_job), ("spark", run_on_spark)):
        place = tmp_path / name
        for path, content in files.items():
            write(place / "landing" / path, content)
        run(place, "--through", "2026-03-05")
        with duckdb.connect(str(place / "warehouse.duckdb"), read_only=True) as con:
            con.execute("set timezone = 'UTC'")
            found[name] = [
                con.execute(f"select {columns} from {table} order by all").fetchall()
                for columns, table in (
                    ("*", "raw.call_logs"),
                    ("* exclude (run_id)", "ops.rejected_records"),
                )
            ]
    for on_duckdb, on_spark in zip(found["duckdb"], found["spark"], strict=True):
        assert len(on_duckdb) > 100
        assert on_spark == on_duckdb


def test_without_spark_it_says_so(tmp_path: Path) -> None:
    land(tmp_path, 1)
    with with_spark():
        ended = run_after(partial(hide, "pyspark"), tmp_path, "--through", "2026-03-02")
    assert ended.returncode == 2
    assert "make install-spark" in ended.stderr


def hide(module: str) -> None:
    import sys

    sys.modules[module] = None  # type: ignore[assignment]
