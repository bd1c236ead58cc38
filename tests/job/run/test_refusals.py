"""What stops a run, and what it says then."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Thread
from zoneinfo import ZoneInfo

import duckdb
import pytest

from tests.support.commands import callbill, run_after, run_job
from tests.support.places import copy_of, manifest
from tests.support.story import (
    READER,
    land_story,
    metrics,
    status,
)


def test_a_warehouse_whose_files_are_missing_says_what_to_do(once: Path, tmp_path: Path) -> None:
    place = copy_of(once, tmp_path)
    shutil.rmtree(place / "warehouse.duckdb.files")
    ended = run_job(place, "--through", "2026-03-07")
    assert ended.returncode == 2
    assert "callbill rebuild" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_damaged_warehouse_is_not_called_locked(once: Path, tmp_path: Path) -> None:
    place = copy_of(once, tmp_path)
    path = place / "warehouse.duckdb"
    damaged = bytearray(path.read_bytes())
    for at in range(12288, min(len(damaged), 400000)):
        damaged[at] ^= 0xFF
    path.write_bytes(damaged)
    ended = run_job(place, "--through", "2026-03-07")
    assert ended.returncode == 2
    assert "open in another process" not in ended.stderr


def test_a_release_made_from_a_file_that_is_gone_is_not_built_upon(
    once: Path, tmp_path: Path
) -> None:
    shutil.copytree(once / "published", tmp_path / "published", symlinks=True)
    shutil.copytree(once / "landing", tmp_path / "landing")
    (tmp_path / "landing/call_logs/arrived_on=2026-03-03/calls.jsonl").unlink()
    ended = run_job(tmp_path, "--through", "2026-03-07")
    assert ended.returncode == 2
    assert "arrived_on=2026-03-03/calls.jsonl" in ended.stderr


def test_a_sealed_row_that_was_changed_stops_publication(nightly: Path, tmp_path: Path) -> None:
    place = copy_of(nightly, tmp_path)
    with duckdb.connect(str(place / "warehouse.duckdb")) as con:
        con.execute(
            "update billing.bill_lines set real_cost = real_cost + 0.00000001"
            " where settled_on = date '2026-03-03'"
        )
    before = (place / "published" / "current").readlink()
    ended = run_job(place, "--through", "2026-03-07")
    assert ended.returncode == 1
    assert "sealed_dates_unchanged" in ended.stderr
    assert "2026-03-03" in ended.stderr
    assert (place / "published" / "current").readlink() == before
    assert status(place)["outcome"] == "control_failed"
    assert "sealed_dates_unchanged" in status(place)["controls_failed"]
    with duckdb.connect(str(place / "warehouse.duckdb"), read_only=True) as con:
        [(expected, found, sample)] = con.execute(
            """
            select expected, unexpected_rows, sample from ops.control_results
            where control_id = 'sealed_dates_unchanged' and not passed
            """
        ).fetchall()
        assert expected and found == 1
        assert json.loads(sample)[0]["settled_on"] == "2026-03-03"


def note_process(file: Path) -> None:
    file.write_text(f"{os.getpid()}")


def test_a_second_run_is_turned_away_and_told_by_whom(tmp_path: Path) -> None:
    land_story(tmp_path)
    file = tmp_path / "process"
    first = (partial(note_process, file), tmp_path, "--through", "2026-03-06")
    job = Thread(target=run_after, args=first)
    job.start()
    while not (tmp_path / "warehouse.duckdb").exists():
        assert job.is_alive()
        time.sleep(0.01)
    process = int(file.read_text())
    os.kill(process, signal.SIGSTOP)  # so that the second is not too late
    try:
        second = run_job(tmp_path, "--through", "2026-03-06")
    finally:
        os.kill(process, signal.SIGKILL)
        job.join()
    assert second.returncode == 3
    assert f"process {process}" in second.stderr
    assert f"process {process}" in status(tmp_path)["message"]


def test_a_warehouse_open_elsewhere_is_one_sentence(nightly: Path, tmp_path: Path) -> None:
    place = copy_of(nightly, tmp_path)
    script = READER.replace("sum(records)", "1").replace("billing.calls", "ops.runs")
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(place / "warehouse.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        ended = run_job(place, "--through", "2026-03-07")
    finally:
        holder.kill()
        holder.wait()
    assert ended.returncode == 3
    assert str(holder.pid) in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"not a database" * 1000, "no DuckDB file"), (None, "no callbill warehouse")],
)
def test_a_foreign_warehouse_file_is_left_alone(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    land_story(tmp_path)
    path = tmp_path / "warehouse.duckdb"
    if content is None:
        with duckdb.connect(str(path)) as con:
            con.execute("create table somebody_elses as select 1 as x")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    ended = run_job(tmp_path, "--through", "2026-03-06")
    assert ended.returncode == 2
    assert says in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert path.read_bytes() == before


def test_bad_usage_is_one_sentence_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    tomorrow = datetime.now(ZoneInfo("Asia/Shanghai")).date() + timedelta(days=1)
    for arguments, says in (
        (("--through", tomorrow), "future"),
        (("--through", "yesterday"), "yesterday"),
        (("--landing", tmp_path / "nowhere"), "nowhere"),
        (("--vars", "{deduction_rounding: up}"), "deduction_rounding"),
        (("--vars", "{max_usage_age_days: -1}"), "max_usage_age_days"),
        (("--vars", "{unheard_of: 1}"), "unheard_of"),
        (("--vars", "{billing_timezone: Mars/Phobos}"), "Mars/Phobos"),
        (("--no-such-option",), "no-such-option"),
    ):
        ended = run_job(tmp_path, *arguments)
        assert ended.returncode == 2, arguments
        assert says in ended.stderr
        assert "Traceback" not in ended.stderr
        if says not in ("future", "unheard_of", "no-such-option"):
            continue
        told = run_job(tmp_path, *arguments, "--json-logs")
        assert told.returncode == 2
        [event] = map(json.loads, told.stderr.splitlines())
        assert (event["event"], event["exit_code"], event["outcome"]) == ("end", 2, "failed")
        assert says in event["message"]


def test_what_cannot_be_a_place_is_bad_usage(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    file = tmp_path / "file"
    file.write_text("")
    os.mkfifo(tmp_path / "fifo")
    for arguments, says in (
        (("--landing", file), f"landing folder {file} is a file"),
        (("--warehouse", tmp_path / "landing"), f"{tmp_path}/landing is a folder"),
        (("--warehouse", file / "w.duckdb"), f"{file} is a file, not a folder"),
        (("--warehouse", "/proc/w.duckdb"), "/proc cannot be written to"),
        (("--warehouse", tmp_path / "fifo"), "is no file that can be a warehouse"),
        (("--published", file), f"{file} is a file, not a folder"),
    ):
        ended = run_job(tmp_path, *arguments)
        assert ended.returncode == 2, (arguments, ended.stderr)
        assert says in ended.stderr
        assert "another run" not in ended.stderr


def test_a_limit_of_memory_is_a_number_and_a_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "landing").mkdir()
    for text in ("banana", "0", "100%", "-1", "1.5.GB", "1KB", "99999999999999999999TB"):
        monkeypatch.setenv("CALLBILL_MEMORY_LIMIT", text)
        ended = run_job(tmp_path)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "memory_limit" in ended.stderr
        assert "write 1500MB, 4GB or 1.5GiB" in ended.stderr
        assert status(tmp_path)["message"] in ended.stderr


@pytest.mark.parametrize("name", ["billing.duckdb", "Release.db", "raw"])
def test_a_warehouse_is_not_named_as_a_part_of_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    ended = callbill("run", f"--landing={tmp_path / 'landing'}", f"--warehouse={tmp_path / name}")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"may not be named {name}" in ended.stderr


def test_places_that_are_not_what_they_should_be(nightly: Path, tmp_path: Path) -> None:
    place = copy_of(nightly, tmp_path)
    published = place / "published"
    link = published / "current"
    through, sealed = "2026-03-07", metrics(place)["callbill_lag_days", ""]

    def refused() -> str:
        ended = run_job(place, "--through", through)
        assert ended.returncode == 2, ended.stderr
        assert len(ended.stderr.splitlines()) == 1
        assert status(place)["message"] in ended.stderr
        assert status(place)["last_success_at"]
        return ended.stderr

    # As copies come out that do not know of links.
    release = link.resolve()
    link.unlink()
    link.mkdir()
    assert "is not a link" in refused()
    link.rmdir()
    link.symlink_to("status")
    assert "is no release" in refused()
    link.unlink()
    link.symlink_to(release.relative_to(published))
    (place / "landing").rename(place / "elsewhere")
    assert "landing folder" in refused()
    # What is sealed is known all the same, and so how late the bills are.
    assert status(place)["sealed_through"] == "2026-03-06"
    assert metrics(place)["callbill_lag_days", ""] == sealed


def test_a_run_that_finds_nothing_loaded_ever_seals_nothing(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    ended = run_job(tmp_path, "--through", "2026-03-06")
    assert ended.returncode == 0
    assert not (tmp_path / "published" / "current").exists()
    assert status(tmp_path)["outcome"] == "nothing_due"
    # So that what arrived before can still be settled on its own dates.
    land_story(tmp_path)
    assert run_job(tmp_path, "--through", "2026-03-02").returncode == 0
    assert list(manifest(tmp_path)["settlement_hashes"]) == ["2026-03-02"]


def test_a_warehouse_sealed_further_than_its_release_is_refused(
    nightly: Path, tmp_path: Path
) -> None:
    place = copy_of(nightly, tmp_path)
    releases = sorted((place / "published" / "releases").iterdir())
    (place / "published" / "current").unlink()
    (place / "published" / "current").symlink_to(releases[1].relative_to(place / "published"))
    ended = run_job(place, "--through", "2026-03-07")
    assert ended.returncode == 2
    assert "sealed through 2026-03-06" in ended.stderr
    (place / "published" / "current").unlink()
    assert run_job(place, "--through", "2026-03-07").returncode == 2


def test_another_figure_changing_var_is_refused_once_something_is_sealed(
    nightly: Path, tmp_path: Path
) -> None:
    place = copy_of(nightly, tmp_path)
    ended = run_job(place, "--through", "2026-03-07", "--vars", "{deduction_rounding: down}")
    assert ended.returncode == 2
    assert "deduction_rounding" in ended.stderr
