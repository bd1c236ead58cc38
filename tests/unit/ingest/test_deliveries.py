"""Deliveries of contracts: which are new, what they share, and which terms count."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import pytest
from callbill.base.settings import load_settings, load_vars
from callbill.ingest.feed import raw_tables
from callbill.ingest.withdrawals import withdraw
from callbill.jobs.loading import load_landing
from callbill.queries.project_sql import expand_macros
from callbill.tasks.workers.in_process import InProcess
from callbill.warehouse.warehouse import Warehouse

from tests.support.landing_files import write

HEADER = "owner_uin,component_code,effective_from,effective_to,discount,contract_price\n"
KNOWN = "{{ contracts_known('raw.contracts') }}"


def terms(*discounts: str) -> bytes:
    """A file of contracts of accounts 1, 2 and so on."""
    lines = (f"{n},c,2026-01-01,,{discount},\n" for n, discount in enumerate(discounts, 1))
    return (HEADER + "".join(lines)).encode()


A, B = terms("0.5", "0.9"), terms("0.6", "0.9")


class Place:
    """A landing folder and a warehouse, without the rest of the job."""

    def __init__(self, folder: Path) -> None:
        self.landing = folder / "landing"
        self.landing.mkdir()
        self.settings = load_settings(
            landing=self.landing, warehouse=folder / "w.duckdb", published=folder / "published"
        )
        self.warehouse = Warehouse.open(self.settings, raw_tables())
        self.runs = 0

    def land(self, day: int | None, content: bytes, name: str = "c.csv") -> None:
        """A file that arrived on a day of March; without one it was modified on the 31st."""
        folder = f"arrived_on=2026-03-{day:02d}" if day else "undated"
        path = write(self.landing / "contracts" / folder / name, content)
        at = datetime.fromisoformat("2026-03-31T09:00:00+08:00").timestamp()
        os.utime(path, (at, at))

    def load(self, first_open: int | None = 1) -> None:
        """Load what landed, with everything sealed before a day of March."""
        self.runs += 1
        load_landing(
            self.warehouse,
            self.settings,
            load_vars(self.settings),
            f"run{self.runs}",
            date(2026, 3, 31),
            date(2026, 3, first_open) if first_open else None,
            {},
            lambda _: lambda _: None,
            InProcess(),
        )

    def deliveries(self) -> list[tuple[int, int, int]]:
        """Of each: the day of its arrival and of its floor, and its lines."""
        return self.warehouse.rows(
            "select day(arrived_on), day(settlement_floor), records_accepted from ops.source_files"
            " order by arrived_on"
        )

    def news(self) -> list[tuple[int, str]]:
        """The discounts of account 1, by the day from which they are known."""
        known = expand_macros(KNOWN, "money", "contract_in_force")
        return self.warehouse.rows(
            f"select day(known_from), discount::decimal(9, 1)::varchar from ({known})"
            " where owner_uin = '1' order by known_from, discount"
        )

    def kept(self) -> int:
        rows: int = self.warehouse.value("select count(*) from raw.contracts_loaded")
        return rows


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    with closing(place.warehouse):
        yield place


def test_the_same_content_under_a_later_date_is_a_new_delivery(place: Place) -> None:
    for day, content in ((2, A), (3, B), (4, A), (5, A), (6, A)):
        place.land(day, content)
        place.load()
    assert place.deliveries() == [(day, day, 2) for day in range(2, 7)]
    assert place.news() == [(2, "0.5"), (3, "0.6"), (4, "0.5")]
    assert place.kept() == 4
    ids = "select count(distinct source_file_id), count(distinct delivery_id) from ops.source_files"
    assert place.warehouse.rows(ids) == [(2, 5)]


def test_of_one_floor_the_later_arrival_counts(place: Place) -> None:
    for day, content in ((2, A), (3, B), (4, A), (5, B)):
        place.land(day, content)
    place.load(first_open=10)
    assert place.news() == [(10, "0.6")]


def test_of_one_floor_and_arrival_files_compete(place: Place) -> None:
    place.land(2, A, "a.csv")
    place.land(2, B, "b.csv")
    place.load()
    assert place.news() == [(2, "0.5"), (2, "0.6")]  # the price decides, for each usage date


def test_a_repetition_counts_again_once_another_file_has_come_between(place: Place) -> None:
    place.land(2, A)
    place.land(6, A)
    place.load()
    assert place.news() == [(2, "0.5")]
    place.land(4, B)  # arrives late, but nothing since is sealed
    place.load()
    assert place.news() == [(2, "0.5"), (4, "0.6"), (6, "0.5")]
    assert place.kept() == 4


def test_a_line_that_changes_among_many_is_the_only_news(place: Place) -> None:
    place.land(2, terms("0.5", "0.9", "0.8"))
    place.land(3, terms("0.5", "0.9", "0.7"))
    place.load()
    known = expand_macros(KNOWN, "money", "contract_in_force")
    rows = place.warehouse.rows(f"select owner_uin, day(known_from) from ({known}) order by all")
    assert rows == [("1", 2), ("2", 2), ("3", 2), ("3", 3)]


def test_undated_content_and_earlier_copies_load_once(place: Place) -> None:
    place.land(5, A)
    place.load()
    place.land(4, A)
    place.land(5, A, "copy.csv")
    place.land(None, A)
    place.load()
    assert place.deliveries() == [(5, 5, 2)]
    place.land(6, A)
    place.load()
    assert place.deliveries() == [(5, 5, 2), (6, 6, 2)]


def test_a_withdrawn_delivery_leaves_its_lines_to_the_later_one(place: Place) -> None:
    place.land(2, A)
    place.land(4, A)
    place.load()
    [first, _] = place.warehouse.rows("select source_file_id from ops.loaded_files order by all")
    withdraw(place.warehouse, "contracts", first[0], "not agreed yet")
    assert place.news() == [(4, "0.5")]
    place.load()
    assert place.news() == [(4, "0.5")]


def test_content_under_another_ending_is_read_by_itself(place: Place) -> None:
    place.land(2, A)
    place.land(3, A, "c.jsonl")
    place.load()
    assert place.deliveries() == [(2, 2, 2), (3, 3, 0)]


def test_rejects_belong_to_each_delivery(place: Place) -> None:
    place.land(2, terms("0.5", "7"))
    place.land(3, terms("0.5", "7"))
    place.load()
    rejects = "select path, line_number, reason from ops.rejected_records order by all"
    assert place.warehouse.rows(rejects) == [
        (f"contracts/arrived_on=2026-03-0{day}/c.csv", 3, "invalid_discount") for day in (2, 3)
    ]
    assert place.deliveries() == [(2, 2, 1), (3, 3, 1)]


def test_contracts_of_history_count_from_the_first_settlement(place: Place) -> None:
    place.land(None, A)
    place.land(3, terms("0.4"))
    place.load(first_open=None)
    assert place.deliveries() == [(3, 3, 1), (31, 3, 2)]
    arrivals = "select day(arrived_on), arrival from ops.source_files order by all"
    assert place.warehouse.rows(arrivals) == [(3, None), (31, "history")]


def test_what_was_delivered_again_before_version_2_of_the_rules_stays_known(place: Place) -> None:
    for settled_on in ("2026-03-03", "2026-03-04"):
        place.warehouse.execute(
            "insert into ops.sealed_settlements values (?, 'h', 'r', 1, 1)", [settled_on]
        )
    for day in (2, 4, 5):
        place.land(day, A)
    place.load(first_open=5)
    assert [arrived for arrived, _floor, _lines in place.deliveries()] == [2, 5]
