"""What a night has the engine do does not grow with history: work is counted, not timed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest
from callbill.warehouse.layout import Layout

from tests.support.commands import CALLBILL, run_after, run_job
from tests.support.landing_files import json_lines, record, write
from tests.support.parsed import parsed_models
from tests.support.places import copy_of, places
from tests.support.traced import Work, trace

FIRST = date(2026, 1, 1)
CALLS = 500
# One night early on, and one after more days than de-duplication looks back on. Three days are
# settled before the early one: a release with half of its days new is written anew, which takes
# more statements.
EARLY, LATE = FIRST + timedelta(days=4), FIRST + timedelta(days=70)
HORIZON = 62


def calls_of(day: date) -> bytes:
    return json_lines(
        *(
            record(f"{day}-{n:04d}-{'x' * 20}", owner_uin=f"1000000000{n % 10:02d}",
                   # Some wait for the catalogue: without news in it nobody looks for them.
                   action="SearchByText" if n % 10 else "Unclaimed",
                   called_at=f"{day}T10:00:00+08:00")
            for n in range(CALLS)
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of all days."""
    place = tmp_path_factory.mktemp("work")
    day = FIRST
    while day < LATE:
        arrived_on = day + timedelta(days=1)
        write(place / f"landing/call_logs/arrived_on={arrived_on}/calls.jsonl", calls_of(day))
        day += timedelta(days=1)
    return place


@pytest.fixture(scope="module")
def nights(place: Path) -> dict[date, Work]:
    """What was done in a night of each."""
    works = {}
    for night in (EARLY, LATE):
        assert run_job(place, "--through", night - timedelta(days=1)).returncode == 0
        logs = place / f"logs {night}"
        ended = run_after(partial(trace, logs), place, "--through", night)
        assert ended.returncode == 0, ended.stderr
        works[night] = Work(logs)
    return works


def by_partition(paths: Counter[str], relation: str) -> dict[date, int]:
    """Bytes by the date of the partition that they were read from or written to; not of a file
    without rows, which is there so that the relation always has one."""
    bytes_: Counter[date] = Counter()
    for path, number in paths.items():
        folder = Path(path).parent
        if folder.parent.name == relation and "empty" not in Path(path).name:
            bytes_[date.fromisoformat(folder.name.partition("=")[2])] += number
    return bytes_


def test_nothing_older_than_the_horizon_is_read(nights: dict[date, Work]) -> None:
    read = by_partition(nights[LATE].read, "call_logs")
    assert LATE in read
    # The engine learns the columns from the first two files.
    old = {FIRST + timedelta(days=n) for n in (1, 2)}
    assert min(read.keys() - old) == LATE - timedelta(days=HORIZON + 2)


def test_of_earlier_records_the_ids_are_read_twice(nights: dict[date, Work]) -> None:
    """Once for the models and once for the controls."""
    read = Counter(
        {path: number for path, number in nights[LATE].read.items() if "call_logs" in path}
    )
    sizes = by_partition(Counter({path: Path(path).stat().st_size for path in read}), "call_logs")
    earlier = {
        day: number / sizes[day]
        for day, number in by_partition(read, "call_logs").items()
        if FIRST + timedelta(days=2) < day < LATE - timedelta(days=2)
    }
    assert len(earlier) == HORIZON
    # Footers are most of these small files. To read all ids once more is a fifth of a file.
    assert sum(earlier.values()) / HORIZON < 1.05, earlier


def test_earlier_calls_are_not_read(nights: dict[date, Work]) -> None:
    read = by_partition(nights[LATE].read, "int_calls")
    # Of the first dates the layout, by as many threads as there are.
    earlier = read.keys() - {FIRST + timedelta(days=1), FIRST + timedelta(days=2), LATE}
    assert not earlier, "a model or a control reads calls or int_calls of dates settled before"
    assert LATE in read


def test_only_the_due_partition_is_written(nights: dict[date, Work]) -> None:
    for night, work in nights.items():
        assert by_partition(work.written, "int_calls").keys() == {night}
        loaded = [path for path in work.written if "/loading/" in path]
        assert [Path(path).parent.name for path in loaded] == [f"settlement_floor={night}"]


def test_a_late_night_writes_and_asks_no_more_than_an_early_one(
    nights: dict[date, Work],
) -> None:
    def written(night: date) -> int:
        return sum(
            number
            for path, number in nights[night].written.items()
            if "warehouse.duckdb.files" in path
        )

    assert written(LATE) < 1.1 * written(EARLY)
    assert nights[LATE].statements < 1.02 * nights[EARLY].statements


def test_what_is_due_is_read_as_often_as_it_must_be(tmp_path: Path) -> None:
    """Landing files once. Of the ids, which are most of the bytes: records for what came twice, for
    the records of those, for the calls, for what controls share, and for one that looks at ids;
    calls for their hash and three controls. Counted in times of a file's size, none may become
    more."""
    night = EARLY + timedelta(days=1)
    # With two days before it: otherwise the release is written anew.
    for day in (EARLY - timedelta(days=1), EARLY, night):
        lines = b"".join(
            calls_of(day - timedelta(days=1)).replace(b"xxxx", f"{n:04d}".encode())
            for n in range(40)
        )
        write(tmp_path / f"landing/call_logs/arrived_on={day}/calls.jsonl", lines)
    assert run_job(tmp_path, "--through", EARLY).returncode == 0
    logs = tmp_path / "logs"
    ended = run_after(partial(trace, logs), tmp_path, "--through", night)
    assert ended.returncode == 0, ended.stderr
    work = Work(logs)
    landed = tmp_path / f"landing/call_logs/arrived_on={night}/calls.jsonl"
    lines_read = sum(number for path, number in work.read.items() if ".json" in Path(path).name)
    assert lines_read == landed.stat().st_size
    times = {
        relation: by_partition(work.read, relation)[night]
        / sum(path.stat().st_size for path in tmp_path.rglob(f"{relation}/*={night}/*.parquet"))
        for relation in ("call_logs", "int_calls")
    }
    assert times["call_logs"] < 6.3
    assert times["int_calls"] < 5.5
    # callbill 0.6.0 asked 962 times.
    assert work.statements < 640


def imported(place: Path, through: date) -> set[str]:
    """The modules that a run imports, from a cold start."""
    ended = subprocess.run(
        [
            *(sys.executable, "-X", "importtime", CALLBILL),
            *("run", *places(place), "--through", str(through)),
        ],
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}


@pytest.mark.long
def test_a_first_night_imports_what_it_needs(tmp_path: Path) -> None:
    """Not what takes seconds and only some expectations need, though dbt looks at all modules."""
    write(tmp_path / f"landing/call_logs/arrived_on={EARLY}/calls.jsonl", calls_of(EARLY))
    # dbt has parsed the models already: that takes it longer than all else.
    target = Layout(tmp_path / "warehouse.duckdb").dbt / "target"
    target.mkdir(parents=True)
    shutil.copy(parsed_models(), target)
    first_night = imported(tmp_path, EARLY)
    assert {"dbt.cli.main", "great_expectations"} <= first_night
    assert not {"altair.vegalite", "scipy.stats._stats_py"} & first_night


def test_a_night_imports_what_it_needs(
    place: Path, nights: dict[date, Work], tmp_path: Path
) -> None:
    """dbt only when the models have changed, nor what only some expectations need; and with nothing
    due not Great Expectations either."""
    assert LATE in nights
    place = copy_of(place, tmp_path)
    day = LATE + timedelta(days=1)
    write(place / f"landing/call_logs/arrived_on={day}/calls.jsonl", calls_of(LATE))
    night = imported(place, day)
    assert "great_expectations" in night
    assert not {"dbt", "polars", "altair.vegalite", "scipy.stats._stats_py"} & night
    nothing_due = imported(place, LATE)
    assert not {"dbt", "great_expectations", "pandas.core.api", "polars"} & nothing_due
    assert "callbill.jobs.run" in nothing_due
    assert (
        not {"callbill.jobs.settling", "callbill.tasks.ingest", "callbill.release.site"}
        & nothing_due
    )
