"""What holds in every generated world, whatever it contains, and how worlds reach the disk."""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings

from . import landing
from .inputs import World
from .model import tables
from .worlds import LAST_DAY, ROUGH_SEEDS, merged, plans, sample, worlds

quick = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@quick
@given(worlds(seeds=ROUGH_SEEDS, max_plans=2))
def test_the_sums_agree(world: World) -> None:
    result = tables(world)

    for adjustment in result.precision_adjustments:
        total = adjustment.rated_amount + adjustment.adjustment_amount
        assert total == adjustment.deducted_amount
    assert sum(line.real_cost for line in result.bill_lines) == sum(
        bill.rated_amount for bill in result.monthly_bills
    )
    assert sum(row.calls_billed for row in result.calls) == sum(
        line.calls for line in result.bill_lines
    )
    assert sum(row.calls_billed for row in result.calls) == sum(
        usage.calls_billed for usage in result.daily_usage
    )
    for file in result.files:
        if file.is_readable:
            assert file.lines_read == file.accepted + file.rejected


@quick
@given(worlds(seeds=ROUGH_SEEDS))
def test_what_a_run_has_sealed_no_later_run_changes(world: World) -> None:
    last = tables(world)
    for count in range(1, len(world.runs)):
        earlier = tables(replace(world, runs=world.runs[:count]))
        sealed = earlier.sealed_through or date.min
        for table in ("calls", "bill_lines", "settlements"):
            still = [row for row in getattr(last, table) if row.settled_on <= sealed]
            assert list(getattr(earlier, table)) == still


@quick
@given(worlds(seeds=ROUGH_SEEDS))
def test_every_settled_net_call_is_priced_as_known_at_the_end(world: World) -> None:
    """Re-rating leaves, per usage date, what one line at the last known price would say."""
    nets: Counter[tuple[str, str, date, Decimal, Decimal]] = Counter()
    for line in tables(world).bill_lines:
        key = (line.owner_uin, line.component_code, line.usage_date)
        nets[*key, line.list_price, line.contract_price] += line.calls
    left = [key[:3] for key, net in nets.items() if net]
    assert len(left) == len(set(left))
    assert all(net >= 0 for net in nets.values())


def test_many_worlds_in_one_are_each_what_they_are_alone() -> None:
    together = sample(6, seed=1, runs=(date(2024, 2, 2), date(2024, 3, 1), LAST_DAY))
    whole = tables(together)
    for number in range(6):
        own = tuple(file for file in together.files if f"w{number:04d}-" in file.path)
        # The first run may seal an empty landing folder's days only if it held another's file.
        if not any(f.arrived_on <= together.runs[0] and not f.placed_run for f in own):
            continue
        alone = tables(replace(together, files=own))
        mine = [row for row in whole.calls if row.request_id.startswith(f"w{number:04d}-")]
        assert list(alone.calls) == mine


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    assert sample(3, seed=7) == sample(3, seed=7)


@quick
@given(plans())
def test_all_is_settled_by_the_last_day(plan: object) -> None:
    world = merged([plan], (LAST_DAY,))  # type: ignore[list-item]
    accepted = sum(file.accepted for file in tables(world).files if file.feed == "call_logs")
    assert sum(row.records for row in tables(world).calls) == accepted


@pytest.mark.parametrize(
    "container", ["csv", "csv.gz", "csv.zst", "jsonl.zst", "ndjson", "parquet"]
)
def test_every_container_says_the_same(container: str, tmp_path: Path) -> None:
    rows = [
        {"request_id": f"r{number}", "owner_uin": "1", "http_status": 200, "note": 'a "b",\nc'}
        for number in range(3000)
    ]
    file = landing.make_file("call_logs", "f", date(2024, 1, 11), rows, container)
    world = merged([], (LAST_DAY,))

    (path,) = landing.write(replace(world, files=(file,)), tmp_path)

    reader = {"csv": "read_csv", "parquet": "read_parquet"}.get(
        container.split(".")[0], "read_json"
    )
    found = duckdb.sql(f"select request_id, http_status, note from {reader}('{path}')").fetchall()
    assert found == [(row["request_id"], 200, row["note"]) for row in rows]


def test_a_csv_record_is_numbered_by_the_line_it_begins_on() -> None:
    rows = [{"request_id": "a", "note": "one\ntwo"}, {"request_id": "b"}]

    file = landing.make_file("call_logs", "f", date(2024, 1, 11), rows, "csv")

    assert [line.number for line in file.lines or ()] == [2, 4]


def test_a_file_cut_short_does_not_decompress() -> None:
    file = landing.make_file("call_logs", "f", date(2024, 1, 11), [{"a": "b"}] * 9, "jsonl.gz")

    with pytest.raises(EOFError):
        gzip.decompress(landing.cut_short(file).content)
