"""Deliveries: content that comes again, history, files that wait, and a wrong landing folder."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.commands import callbill, run_job, settle, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import (
    copy_of,
    last_run,
    lose_warehouse,
    manifest,
    places,
    query,
    query_warehouse,
)

OWNER = "100000000081"
CONTRACTS = "owner_uin,component_code,effective_from,effective_to,discount,contract_price\n"


def contract(discount: str, *more_owners: str) -> bytes:
    lines = (f"{o},wimgs_search_by_text,2026-01-01,,{discount},\n" for o in (OWNER, *more_owners))
    return (CONTRACTS + "".join(lines)).encode()


def land_calls(place: Path, day: int, calls: int = 10) -> None:
    """Calls used on the day before that day of March, arrived on it."""
    used_at = f"2026-03-{day - 1:02d}T10:00:00+08:00"
    lines = json_lines(*(record(f"r-{day}-{n}", called_at=used_at) for n in range(calls)))
    write(place / f"landing/call_logs/arrived_on=2026-03-{day:02d}/calls.jsonl", lines)


def land_contracts(place: Path, day: int, content: bytes, name: str = "c") -> Path:
    path = place / f"landing/contracts/arrived_on=2026-03-{day:02d}/{name}.csv"
    return write(path, content)


def costs(place: Path) -> dict[int, Decimal]:
    """What the usage of each day cost, by the day of its settlement."""
    rows = query(
        place,
        "select day(settled_on), sum(real_cost) from billing.bill_lines"
        " where line_type = 'usage' group by all",
    )
    return dict(rows)


def rebuild_and_verify(place: Path) -> None:
    """Neither the loss of the warehouse nor a second computation finds another bill."""
    lose_warehouse(place)
    succeed(callbill("rebuild", *places(place)))
    with_hashes = "select settled_on::varchar, content_hash from ops.settlement_hashes"
    assert dict(query_warehouse(place, with_hashes)) == manifest(place)["settlement_hashes"]
    succeed(callbill("verify", *places(place)))


# --- latest counts -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def back_and_forth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A, then B, then A again, night by night, each with ten calls; and A every night after."""
    place = tmp_path_factory.mktemp("back-and-forth")
    terms = {2: "0.5", 3: "0.6", 4: "0.5", 5: "0.5", 6: "0.5"}
    for day, discount in terms.items():
        land_contracts(place, day, contract(discount))
        land_calls(place, day)
        if day >= 4:
            settle(place, f"2026-03-{day:02d}")
    return place


def test_going_back_to_earlier_terms_counts(back_and_forth: Path) -> None:
    assert costs(back_and_forth) == {
        2: Decimal("0.30"),
        3: Decimal("0.36"),
        4: Decimal("0.30"),
        5: Decimal("0.30"),
        6: Decimal("0.30"),
    }
    kinds = "select settled_on, line_type from billing.bill_lines where line_type <> 'usage'"
    reratings = query(back_and_forth, kinds + " and settled_on >= '2026-03-05'")
    assert reratings == []


def test_each_delivery_is_a_load_with_its_counts(back_and_forth: Path) -> None:
    files = query(
        back_and_forth,
        """
        select day(arrived_on), len(source_file_id), lines_read, records_accepted
        from ops.source_files where feed = 'contracts' order by arrived_on
        """,
    )
    assert files == [(day, 64, 1, 1) for day in range(2, 7)]
    loads = [load for load in manifest(back_and_forth)["loads"] if load["feed"] == "contracts"]
    assert len({load["source_file_id"] for load in loads}) == 2
    assert [load["arrived_on"][-2:] for load in loads] == ["02", "03", "04", "05", "06"]


def test_an_unchanged_list_is_neither_read_nor_kept_again(back_and_forth: Path) -> None:
    rows = query_warehouse(back_and_forth, "select count(*) from raw.contracts_loaded")
    assert rows == [(2,)]
    # A on the 2nd, B on the 3rd, A on the 4th; on the 5th and 6th A says nothing new.
    rows = query_warehouse(
        back_and_forth, "select day(settlement_floor) from raw.contracts order by 1"
    )
    assert rows == [(2,), (3,), (4,)]


def test_deliveries_are_rebuilt_and_verified(back_and_forth: Path, tmp_path: Path) -> None:
    place = copy_of(back_and_forth, tmp_path)
    rebuild_and_verify(place)
    # One file is good for all deliveries of its content.
    for day in (5, 6):
        shutil.rmtree(place / f"landing/contracts/arrived_on=2026-03-{day:02d}")
    rebuild_and_verify(place)
    land_calls(place, 7)
    settle(place, "2026-03-07")
    assert costs(place)[7] == Decimal("0.30")


def test_a_line_is_explained_by_the_delivery_that_priced_it(back_and_forth: Path) -> None:
    of_day = "select line_id from billing.bill_lines where settled_on = '2026-03-06'"
    [(line_id,)] = query(back_and_forth, of_day)
    ended = callbill("explain", line_id, *places(back_and_forth))
    assert ended.returncode == 0, ended.stderr
    assert "arrived_on=2026-03-04/c.csv" in ended.stdout
