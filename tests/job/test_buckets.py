"""Calls divided into buckets, built one after the other or by several processes: the same bill, and
nobody's part can be missing."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest
from callbill.base.settings import load_settings
from callbill.jobs import loading
from callbill.jobs.rebuild import _with_buckets
from callbill.tasks import bucket as bucket_task
from callbill.tasks import build

from tests.bill.reference import landing
from tests.bill.reference.inputs import World
from tests.bill.reference.worlds import LAST_DAY
from tests.support.commands import CALLBILL, callbill, run_after, run_job, settle, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import (
    copy_of,
    figures,
    last_run,
    lose_warehouse,
    places,
    query_warehouse,
)
from tests.support.shared import make_once
from tests.support.worlds import dated_worlds, place_settled_once

FIRST_RUN = date(2024, 3, 4)


@pytest.fixture(scope="module")
def world() -> World:
    return dated_worlds()


@pytest.fixture(scope="module")
def undivided() -> Path:
    """All files settled at once."""
    return place_settled_once()


@pytest.fixture(scope="module")
def divided(world: World) -> Path:
    """The same files in two nights, with three buckets; the second is built by two processes."""

    def make(place: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CALLBILL_BUCKETS", "3")
            early = tuple(file for file in world.files if file.arrived_on <= FIRST_RUN)
            late = tuple(file for file in world.files if file.arrived_on > FIRST_RUN)
            landing.write(replace(world, files=early), place / "landing")
            settle(place, FIRST_RUN)
            landing.write(replace(world, files=late), place / "landing")
            settle(place, LAST_DAY, "--workers", "2")

    return make_once("divided", make)


def test_buckets_and_processes_give_the_same_bill(undivided: Path, divided: Path) -> None:
    assert figures(divided) == figures(undivided)
    assert query_warehouse(divided, "select buckets from ops.warehouse") == [(3,)]


def test_a_warehouse_keeps_its_number_of_buckets_until_it_is_rebuilt(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another number, without a wish, and without a warehouse. Each rebuild stops unless it
    comes to what was sealed."""

    def rebuild() -> list[tuple[int]]:
        succeed(callbill("rebuild", *places(place)))
        return query_warehouse(place, "select buckets from ops.warehouse")

    monkeypatch.delenv("CALLBILL_BUCKETS")
    assert rebuild() == [(3,)]
    monkeypatch.setenv("CALLBILL_BUCKETS", "2")
    ended = run_job(place, "--through", "2026-03-04")
    assert ended.returncode == 2
    assert "divides its calls into 3 bucket(s), not 2: `callbill rebuild`" in ended.stderr
    assert rebuild() == [(2,)]
    # A lost warehouse has no number to keep.
    monkeypatch.delenv("CALLBILL_BUCKETS")
    lose_warehouse(place)
    settings = load_settings(warehouse=place / "warehouse.duckdb")
    assert _with_buckets(settings).buckets is None


def test_verify_by_processes_finds_the_same(undivided: Path, tmp_path: Path) -> None:
    """Of a release of which one line says too much: that line, and nothing else."""
    place = copy_of(undivided, tmp_path)
    release = (place / "published" / "current").resolve() / "callbill.duckdb"
    release.chmod(0o644)
    with duckdb.connect(str(release)) as con:
        con.execute("update billing.bill_lines set calls = calls + 1 where rowid = 0")
    alone = callbill("verify", *places(place))
    divided = callbill("verify", *places(place), "--workers", 2)
    assert (divided.returncode, divided.stdout) == (alone.returncode, alone.stdout) == (1, "")
    assert divided.stderr == alone.stderr
    assert "come to: 1 difference(s) in billing.bill_lines" in alone.stderr
    assert not (place / "warehouse.duckdb.files" / "verify").exists()


def two_nights(place: Path) -> None:
    """Two nights with three buckets. The second one's files have arrived, and are not loaded."""
    for day in ("2026-03-02", "2026-03-03"):
        calls = (record(f"{day} {n}", called_at=f"{day}T10:00:00+08:00") for n in range(12))
        write(place / f"landing/call_logs/arrived_on={day}/calls.jsonl", json_lines(*calls))
    settle(place, "2026-03-03")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CALLBILL_BUCKETS", "3")
    return copy_of(make_once("three-buckets", two_nights), tmp_path)


def lose_a_file() -> None:
    """Between reading and building, a file of records is gone."""
    _before_buckets(lambda file: file.unlink())


def cut_a_file() -> None:
    """A worker sees an older state of a file."""
    _before_buckets(lambda file: file.write_bytes(file.read_bytes()[:-100]))


def put_another_file() -> None:
    """A file of the same size, which its reader did not write."""

    def change(file: Path) -> None:
        expected = build._items

        def items(*arguments: object) -> list[dict]:
            made = expected(*arguments)  # type: ignore[arg-type]
            for item in made:
                item["records"] = [
                    (path, records + str(file).endswith(path), size)
                    for path, records, size in item["records"]
                ]
            return made

        build._items = items  # type: ignore[assignment]

    _before_buckets(change)


def _before_buckets(change: Callable[[Path], object]) -> None:
    original = build._build_buckets

    def changed(warehouse, *arguments):  # type: ignore[no-untyped-def]
        change(sorted(warehouse.layout.raw("call_logs").glob("*=2026-03-04/*/*.parquet"))[0])
        return original(warehouse, *arguments)

    build._build_buckets = changed


def overlook_records() -> None:
    """A worker that sees an empty folder, and does not say so."""
    original = bucket_task.run

    def run(item: dict) -> dict:
        return original({**item, "records": item["records"][:1]})

    bucket_task.run = run


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (lose_a_file, "this worker does not see"),
        (cut_a_file, "bytes here, its reader wrote"),
        (put_another_file, "records here, its reader wrote"),
        (overlook_records, "a worker saw 0 records of bucket 0, its readers wrote"),
    ],
)
def test_a_worker_that_does_not_see_all_records_is_found_out(
    place: Path, fault: Callable[[], None], sentence: str
) -> None:
    write(
        place / "landing/call_logs/arrived_on=2026-03-04/calls.jsonl",
        json_lines(*(record(f"new {n}", called_at="2026-03-03T10:00:00+08:00") for n in range(12))),
    )
    before = (place / "published" / "current").resolve()
    ended = run_after(fault, place, "--through", "2026-03-04")
    assert ended.returncode == 4, ended.stderr
    assert sentence in ended.stderr
    assert (place / "published" / "current").resolve() == before
    assert last_run(place)["outcome"] == "failed"


def replace_a_file() -> None:
    """After the files were listed, and before workers read them, one gets another content."""
    original = loading._outcomes
    waiting = ["replaced.jsonl"]

    def outcomes(warehouse, tasks, *arguments):  # type: ignore[no-untyped-def]
        for file in (file for task in tasks for file in task.files):
            if file.path.name in waiting:
                waiting.clear()
                file.path.write_bytes(file.path.read_bytes().replace(b"first", b"second"))
        return original(warehouse, tasks, *arguments)

    loading._outcomes = outcomes


def test_a_file_that_is_replaced_before_a_worker_reads_it_waits_for_the_next_night(
    place: Path,
) -> None:
    folder = place / "landing/call_logs/arrived_on=2026-03-04"
    for name, word in (("kept", "kept"), ("replaced", "first")):
        call = record(word, called_at="2026-03-03T10:00:00+08:00")
        write(folder / f"{name}.jsonl", json_lines(call))
    ended = run_after(replace_a_file, place, "--through", "2026-03-04", "--workers", "2")
    succeed(ended)
    assert "replaced.jsonl: changed while it was read" in ended.stdout
    calls = "select request_id from raw.call_logs where request_id in ('kept', 'first', 'second')"
    assert query_warehouse(place, calls) == [("kept",)]
    settle(place, date(2026, 3, 5))
    assert sorted(query_warehouse(place, calls)) == [("kept",), ("second",)]


def bill_failed_calls() -> None:
    """A bucket's task charges what it should not."""
    original = bucket_task.write_relations

    def write_relations(warehouse, *arguments):  # type: ignore[no-untyped-def]
        original(warehouse, *arguments)
        [file] = warehouse.layout.by_date("int_calls").glob("*=2026-03-04/*.parquet")
        warehouse.con.execute(f"create temp table of_bucket as from '{file}'")
        warehouse.con.execute(
            "update of_bucket set disposition = 'billed', calls_billed = 1"
            " where disposition = 'failed'"
        )
        warehouse.con.execute(f"copy of_bucket to '{file}' (format parquet)")

    bucket_task.write_relations = write_relations


def test_controls_of_calls_look_into_each_bucket(place: Path) -> None:
    records = [
        record(f"new {n}", called_at="2026-03-03T10:00:00+08:00", error_code="InternalError")
        for n in range(12)
    ]
    write(
        place / "landing/call_logs/arrived_on=2026-03-04/calls.jsonl",
        json_lines(*records, record("good", called_at="2026-03-03T10:00:00+08:00")),
    )
    ended = run_after(bill_failed_calls, place, "--through", "2026-03-04")
    assert ended.returncode == 1, ended.stderr
    assert "no_failed_call_billed (12 rows)" in ended.stderr


def test_a_task_that_never_returns_ends_the_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBILL_WORKER_TIMEOUT", "4")
    log = place / "landing/call_logs/arrived_on=2026-03-04/calls.jsonl"
    write(log, json_lines(record("new", called_at="2026-03-03T10:00:00+08:00")))
    ended = run_after(stop_the_processes, place, "--through", "2026-03-04", "--workers", "2")
    assert ended.returncode == 4, ended.stderr
    assert "a worker process gave no answer for 4 seconds" in ended.stderr


def stop_the_processes() -> None:
    """The processes stand still as soon as they have a bucket to build."""
    import os
    import signal
    from concurrent.futures import ProcessPoolExecutor

    submit = ProcessPoolExecutor.submit

    def submit_and_stop(self: ProcessPoolExecutor, work, task, name):  # type: ignore[no-untyped-def]
        if task == "bucket":
            for process in list(self._processes):
                os.kill(process, signal.SIGSTOP)
        return submit(self, work, task, name)

    ProcessPoolExecutor.submit = submit_and_stop  # type: ignore[method-assign]


def test_a_process_that_is_killed_ends_the_run_with_a_sentence(place: Path) -> None:
    write(
        place / "landing/call_logs/arrived_on=2026-03-04/calls.jsonl",
        json_lines(record("new", called_at="2026-03-03T10:00:00+08:00")),
    )

    before = (place / "published" / "current").resolve()
    ended = run_after(kill_a_process, place, "--through", "2026-03-04", "--workers", "2")
    assert ended.returncode == 4, ended.stderr
    assert "a worker process ended abruptly; nothing was published, run again" in ended.stderr
    assert (place / "published" / "current").resolve() == before
    assert last_run(place)["outcome"] == "failed"


def kill_a_process() -> None:
    """The first process that builds a bucket is killed."""
    import os
    import signal
    from concurrent.futures import ProcessPoolExecutor

    submit = ProcessPoolExecutor.submit

    def submit_and_kill(self: ProcessPoolExecutor, work, task, name):  # type: ignore[no-untyped-def]
        future = submit(self, work, task, name)
        if task == "bucket":
            ProcessPoolExecutor.submit = submit  # type: ignore[method-assign]  # once is enough
            os.kill(next(iter(self._processes)), signal.SIGKILL)
        return future

    ProcessPoolExecutor.submit = submit_and_kill  # type: ignore[method-assign]


def test_processes_end_with_a_run_that_is_killed(place: Path) -> None:
    write(
        place / "landing/call_logs/arrived_on=2026-03-04/calls.jsonl",
        json_lines(record("new", called_at="2026-03-03T10:00:00+08:00")),
    )
    run = subprocess.Popen(
        [CALLBILL, "run", *places(place), "--through", "2026-03-04", "--workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    started = wait_for(lambda: processes_of(run.pid), at_least=2)
    run.kill()
    run.wait()
    wait_for(lambda: [] if any(is_alive(pid) for pid in started) else [0], at_least=1)


def wait_for(look: Callable[[], list[int]], at_least: int) -> list[int]:
    end = time.monotonic() + 60
    while len(found := look()) < at_least:
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def processes_of(pid: int) -> list[int]:
    """The processes that build buckets, started by another one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            child = int(stat.parent.name)
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = (stat.parent / "cmdline").read_text()
            if parent == pid and "spawn_main" in command:
                found.append(child)
    return found


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
