"""The same figures whatever the road: a bill depends on what landed and when, and on nothing else.

One set of generated worlds takes every road; content hashes are compared, not totals.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.bill.reference import landing
from tests.bill.reference.inputs import File, World
from tests.bill.reference.worlds import LAST_DAY
from tests.support.commands import callbill, run_job, settle
from tests.support.places import copy_of, figures, manifest, places, query, query_warehouse
from tests.support.shared import make_once
from tests.support.story import land, record, settled_at_once
from tests.support.worlds import (
    SIZES,
    Size,
    check_counted_by_any_road,
    dated_worlds,
    place_settled_once,
    renamed_at_random,
)

MARTS = (
    "calls",
    "daily_usage",
    "bill_lines",
    "settlements",
    "precision_adjustments",
    "monthly_bills",
)


@pytest.fixture(scope="module")
def world() -> World:
    return dated_worlds()


@pytest.fixture(scope="module")
def once() -> Path:
    """All worlds settled in one run."""
    return place_settled_once()


def test_in_steps_under_other_names_in_another_order_with_one_thread(
    world: World, once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBILL_THREADS", "1")
    chance = random.Random(3)
    waiting = chance.sample(world.files, len(world.files))
    arrivals = sorted({file.arrived_on for file in waiting})
    for through in (arrivals[len(arrivals) // 2], LAST_DAY):
        due = [file for file in waiting if file.arrived_on <= through]
        waiting = [file for file in waiting if file.arrived_on > through]
        renamed = tuple(replace(file, path=renamed_at_random(file, chance)) for file in due)
        landing.write(replace(world, files=renamed), tmp_path / "landing")
        settle(tmp_path, through)
    assert not waiting
    assert figures(tmp_path) == figures(once)


@pytest.mark.parametrize("size", SIZES)
def test_ladders_packages_and_waivers_in_nights_and_under_other_names(
    size: Size, tmp_path: Path
) -> None:
    check_counted_by_any_road(tmp_path, *size["counted by any road"], nights=2)


def test_in_a_file_for_each_record(world: World, once: Path, tmp_path: Path) -> None:
    split = [part for n, file in enumerate(world.files) for part in one_record_each(file, n)]
    assert len(split) > 2 * len(world.files)
    landing.write(replace(world, files=tuple(split)), tmp_path / "landing")
    settle(tmp_path, LAST_DAY)
    assert differing_marts(once, tmp_path) == []


def one_record_each(file: File, number: int) -> Iterable[File]:
    # Of other feeds the last line of a file counts: in a file of its own it says something else.
    if file.feed != "call_logs" or file.lines is None:
        yield file
        return
    for line in file.lines:
        # A field that nobody reads keeps two equal lines from being one file.
        row = line.data if isinstance(line.data, str) else {**line.data, "line": line.number}
        name = f"{number}-{line.number}"
        if isinstance(row, str):
            row = row + " " * line.number
        yield landing.make_file(
            file.feed,
            name,
            file.arrived_on,
            [row],
            shape=file.shape,
            dated_by_path="arrived_on=" in file.path,
        )


def differing_marts(one: Path, other: Path) -> list[str]:
    """The marts that are not the same, the file of a call's first record left aside."""
    with duckdb.connect() as con:
        for name, place in (("one", one), ("other", other)):
            path = place / "published" / "current" / "callbill.duckdb"
            con.execute(f"attach '{path}' as {name} (read_only)")
        differing = []
        for mart in MARTS:
            columns = "* exclude (source_file_id)" if mart == "calls" else "*"
            sides = [f"(select {columns} from {name}.billing.{mart})" for name in ("one", "other")]
            for left, right in (sides, sides[::-1]):
                if con.execute(f"{left} except all {right}").fetchall():
                    differing.append(mart)
        assert con.execute("select count(*) > 100 from one.billing.calls").fetchall() == [(True,)]
        return differing


@pytest.fixture(scope="module")
def rebuilt(once: Path) -> Path:
    """The place with a warehouse that was lost and rebuilt. A file has left the folders that tell
    its arrival and shape, and the release's database was away."""

    def make(folder: Path) -> None:
        place = copy_of(once, folder)
        (place / "warehouse.duckdb").unlink()
        shutil.rmtree(place / "warehouse.duckdb.files")
        [envelopes, *_] = place.glob("landing/call_logs/**/format=envelope/*.jsonl")
        (place / "landing" / "call_logs" / "elsewhere").mkdir()
        envelopes.rename(place / "landing" / "call_logs" / "elsewhere" / envelopes.name)
        database = (place / "published" / "current").resolve() / "callbill.duckdb"
        away = database.rename(folder / "callbill.duckdb")
        ended = callbill("rebuild", *places(place))
        assert ended.returncode == 0, ended.stderr
        away.rename(database)

    return make_once("worlds-rebuilt", make) / "copy"


def test_a_rebuild_after_the_warehouse_was_lost(once: Path, rebuilt: Path) -> None:
    """What comes next goes on from such a warehouse, see below."""
    assert hashes_in(rebuilt / "warehouse.duckdb") == manifest(once)["settlement_hashes"]
    current = (once / "published" / "current").readlink()
    assert (rebuilt / "published" / "current").readlink() == current


def test_a_rebuild_knows_a_file_by_its_content_and_keeps_its_shape(
    once: Path, rebuilt: Path
) -> None:
    [moved] = (rebuilt / "landing" / "call_logs" / "elsewhere").iterdir()
    loaded = "select path, format, lines_read, records_accepted from ops.source_files where {}"
    (_, *before), (_, *after) = (
        query_warehouse(place, loaded.format(f"path like '%{moved.name}'"))[0]
        for place in (once, rebuilt)
    )
    assert before == after
    assert after[0] == "envelope"
    assert hashes_in(rebuilt / "warehouse.duckdb") == manifest(once)["settlement_hashes"]


@pytest.fixture(scope="module")
def story() -> Path:
    """A small place, for what does not depend on how much there is."""
    return settled_at_once()


def test_a_rebuild_keeps_the_vars_of_the_release_and_the_damaged_warehouse(
    story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBILL_VARS", "{deduction_rounding: down, max_usage_age_days: 1}")
    place = copy_of(story, tmp_path)
    damaged = b"no database any more" * 500
    (place / "warehouse.duckdb").write_bytes(damaged)
    # Landed since: it is for the next run.
    land(place, "2026-03-05", record("late", "2026-03-04T10:00:00+08:00"), name="late.jsonl")
    ended = callbill("rebuild", *places(place))
    assert ended.returncode == 0, ended.stderr
    assert hashes_in(place / "warehouse.duckdb") == manifest(story)["settlement_hashes"]
    [replaced] = place.glob("warehouse.duckdb.replaced-*")
    assert (replaced / "warehouse.duckdb").read_bytes() == damaged
    assert str(replaced) in ended.stdout
    with duckdb.connect(str(place / "warehouse.duckdb"), read_only=True) as con:
        assert con.execute(
            "select count(*) from raw.call_logs where request_id = 'late'"
        ).fetchall() == [(0,)]
        outcomes = con.execute("select outcome from ops.runs order by run_id").fetchall()
    assert outcomes == [("published",), ("rebuilt",)]
    # What comes next goes on from there.
    monkeypatch.delenv("CALLBILL_VARS")
    settle(place, "2026-03-07")
    before, after = manifest(story), manifest(place)
    assert after["settlement_hashes"].items() > before["settlement_hashes"].items()
    lines = "select line_id from billing.bill_lines where settled_on < date '2026-03-05' order by 1"
    assert query(place, lines) == query(story, lines) != []
    late = "select disposition from billing.calls where request_id = 'late'"
    assert query(place, late) == [("billed",)]


def test_a_rebuild_that_would_change_a_sealed_date_stops_and_shows_the_rows(
    story: Path, tmp_path: Path
) -> None:
    place = copy_of(story, tmp_path)
    # As if the release had known one file a day later: what it holds would be settled otherwise.
    path = place / "published" / "current" / "manifest.json"
    said = json.loads(path.read_text())
    with duckdb.connect(str(place / "warehouse.duckdb"), read_only=True) as con:
        [(moved,)] = con.execute(
            """
            select source_file_id from raw.call_logs where settled_on = settlement_floor
                and source_file_id in (
                    select source_file_id from billing.calls where disposition = 'billed'
                )
            order by all limit 1
            """
        ).fetchall()
    [load] = [load for load in said["loads"] if load["source_file_id"] == moved]
    load["settlement_floor"] = str(date.fromisoformat(load["settlement_floor"]) + timedelta(days=1))
    path.chmod(0o644)
    path.write_text(json.dumps(said))
    before = (place / "warehouse.duckdb").read_bytes()
    ended = callbill("rebuild", *places(place))
    assert ended.returncode == 1, ended.stderr
    assert "would change" in ended.stderr
    assert "calls: rows that differ" in ended.stderr
    assert moved in ended.stderr
    assert (place / "warehouse.duckdb").read_bytes() == before
    assert list(place.glob("*.replaced-*")) == []


def test_a_rebuild_does_without_nothing_that_was_loaded(story: Path, tmp_path: Path) -> None:
    place = copy_of(story, tmp_path)
    # Loaded by a run that came no further, and gone since.
    with duckdb.connect(str(place / "warehouse.duckdb")) as con:
        con.execute(
            """
            insert into ops.loaded_files by name
            select * replace ('f' as source_file_id, 'call_logs/gone.jsonl' as path)
            from ops.loaded_files limit 1
            """
        )
    ended = callbill("rebuild", *places(place))
    assert ended.returncode == 2, ended.stderr
    assert "call_logs/gone.jsonl" in ended.stderr
    with duckdb.connect(str(place / "warehouse.duckdb"), read_only=True) as con:
        assert con.execute(
            "select count(*) from ops.source_files where source_file_id = 'f'"
        ).fetchall() == [(1,)]


def test_files_of_a_lost_warehouse_are_kept_until_they_are_loaded_again(
    story: Path, tmp_path: Path
) -> None:
    place = copy_of(story, tmp_path)
    (place / "warehouse.duckdb").unlink()
    raw = place / "warehouse.duckdb.files" / "raw" / "call_logs"
    before = {path.name for path in raw.glob("*/*.parquet")}
    # A file that was loaded, and is not there under another name.
    there = Counter(path.read_bytes() for path in place.glob("landing/call_logs/**/*.jsonl"))
    loaded = [
        load["path"]
        for load in json.loads((place / "published" / "current" / "manifest.json").read_text())[
            "loads"
        ]
        if load["path"].endswith(".jsonl")
    ]
    gone = next(
        path
        for path in (place / "landing" / name for name in loaded)
        if there[path.read_bytes()] == 1
    )
    content = gone.read_bytes()
    gone.unlink()
    assert run_job(place, "--through", "2026-03-07").returncode == 2
    kept = {path.name for path in (place / "warehouse.duckdb.files").rglob("*.parquet")}
    assert kept >= before
    gone.write_bytes(content)
    settle(place, "2026-03-07")
    assert not (place / "warehouse.duckdb.files" / "unknown").exists()


def test_there_is_nothing_to_rebuild_without_a_release(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    ended = callbill("rebuild", *places(tmp_path))
    assert ended.returncode == 2
    assert "nothing was published" in ended.stderr


def hashes_in(warehouse: Path) -> dict[str, str]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        return dict(
            con.execute(
                "select settled_on::varchar, content_hash from ops.settlement_hashes"
            ).fetchall()
        )
