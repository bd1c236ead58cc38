"""The job in bad circumstances: killed at every step, stopped, out of room.

Whatever became of earlier runs, the next one that ends well says what an undisturbed run says.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import stat
import time
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from callbill.base import stopping
from callbill.base.settings import load_settings
from callbill.ingest.feed import raw_tables
from callbill.jobs import settling
from callbill.release import writing
from callbill.release.release import Published
from callbill.warehouse.opening import is_unfinished
from callbill.warehouse.warehouse import TABLES, Warehouse

from tests.support.commands import run_after, run_job
from tests.support.disturbed import FIRST, MOMENTS, STEPS, die, land, undisturbed
from tests.support.places import figures, query


def test_killed_at_one_step_after_another(tmp_path: Path) -> None:
    """Night after night, each run killed later than the one before, until one is let through. (The
    long campaign does so at every step, each from a place of its own.)"""
    moments = MOMENTS[::4]
    expected = undisturbed(tmp_path / "once", len(moments) + 1)
    place = tmp_path / "killed"
    land(place, len(moments) + 1)
    for day, (module, name, moment) in enumerate(moments):
        ended = run_after(
            partial(die, module, name, moment),
            place,
            *("--through", FIRST + timedelta(days=day)),
        )
        assert ended.returncode == -signal.SIGKILL, f"{moment} {name}: {ended.stderr}"
    ended = run_job(place, "--through", FIRST + timedelta(days=len(moments)))
    assert ended.returncode == 0, ended.stderr
    assert figures(place) == expected


def test_a_warehouse_that_was_not_finished_is_made_anew(tmp_path: Path) -> None:
    """As an earlier callbill left one that was killed while it made its tables. It is then what a
    new one is."""
    tables = {}
    for name in ("new", "unfinished"):
        settings = load_settings(warehouse=tmp_path / name / "warehouse.duckdb")
        if name == "unfinished":
            settings.warehouse.parent.mkdir()
            with duckdb.connect(str(settings.warehouse)) as con:
                con.execute(TABLES)
        with closing(Warehouse.open(settings, raw_tables()).con) as con:
            assert not is_unfinished(con)
            tables[name] = con.execute(
                "select schema_name, table_name, estimated_size, sql from duckdb_tables()"
                " union all select schema_name, view_name, 0, '' from duckdb_views() order by all"
            ).fetchall()
    assert tables["unfinished"] == tables["new"]


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_files_that_cannot_grow(tmp_path: Path) -> None:
    """No room for what is written: the run says so, and the last release stands."""
    expected = undisturbed(tmp_path / "once", 3)
    place = tmp_path / "limited"
    land(place, 3)
    through = FIRST + timedelta(days=2)
    # A night of the same kind has room, so that dbt has nothing to compile where there is none:
    # otherwise what is tried would depend on which tests came before.
    for day in range(2):
        assert run_job(place, "--through", FIRST + timedelta(days=day)).returncode == 0
    before = figures(place)
    for size in (512, 20_000, 1_000_000):
        ended = run_after(partial(limit_files, size), place, "--through", through)
        assert (ended.returncode, ended.stdout) == (4, ""), ended.stderr
        assert "the machine could not go on" in ended.stderr
        assert "the last release stands, run again when it can" in ended.stderr
        assert figures(place) == before
    ended = run_job(place, "--through", through)
    assert ended.returncode == 0, ended.stderr
    assert figures(place) == expected


def stop_at(module: str, name: str) -> None:
    """Have the process get SIGTERM where it comes to a step."""
    module, _, owner = module.partition(":")
    home = importlib.import_module(module)
    home = getattr(home, owner) if owner else home
    step = getattr(home, name)

    def stopped(*arguments: Any, **options: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments, **options)

    setattr(home, name, stopped)


def test_a_run_that_is_told_to_stop(tmp_path: Path) -> None:
    """Early, in the middle and late; the next makes it good."""
    land(tmp_path, 1)
    for step in (STEPS[3], STEPS[8], STEPS[13]):
        ended = run_after(partial(stop_at, *step), tmp_path, "--through", FIRST)
        assert (ended.returncode, ended.stdout) == (4, "")
        assert ended.stderr.endswith("callbill: stopped; the last release stands, run it again\n")
    # The hardest: it does not notice it, and the next makes that good too.
    unnoticed = partial(stop_without_effect, "waits for ever")
    assert run_after(unnoticed, tmp_path, "--through", FIRST).returncode == 4
    assert run_job(tmp_path, "--through", FIRST).returncode == 0
    runs = query(tmp_path, "select outcome, message from ops.runs order by run_id")
    assert runs[:-1] == [("failed", "stopped")] * 3 + [("crashed", "ended without saying how")]


GRACE_IF_TOLD_TWICE = 300


def stop_without_effect(how: str) -> None:
    """Have the process get SIGTERM in something that does not end on it."""

    def build(*_arguments: Any) -> None:
        stopping.GRACE_SECONDS = GRACE_IF_TOLD_TWICE if how == "told twice" else 0.5
        for _ in range(2 if how == "told twice" else 1):
            with suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
        while how != "lost":
            with suppress(KeyboardInterrupt):
                time.sleep(1)

    settling.build_models = build


@pytest.mark.parametrize("how", ["lost", "waits for ever", "told twice"])
def test_a_run_that_does_not_notice_that_it_is_told_to_stop(how: str, tmp_path: Path) -> None:
    land(tmp_path, 1)
    began = time.monotonic()
    ended = run_after(partial(stop_without_effect, how), tmp_path, "--through", FIRST)
    assert time.monotonic() - began < GRACE_IF_TOLD_TWICE, "a second signal waits for nothing"
    assert (ended.returncode, ended.stdout) == (4, "")
    assert ended.stderr.endswith("callbill: stopped; the last release stands, run it again\n")
    assert not (tmp_path / "published" / "current").exists()
    told = json.loads((tmp_path / "published" / "status" / "last_run.json").read_text())
    assert (told["outcome"], told["message"]) == ("failed", "stopped")
    assert (tmp_path / "published" / "status" / "callbill.prom").exists()


def hang_while_publishing() -> None:
    """Have a disk hang when the release is as good as written."""

    def hang(*_arguments: Any) -> None:
        stopping.GRACE_SECONDS = 0.5
        os.kill(os.getpid(), signal.SIGTERM)
        with suppress(KeyboardInterrupt):
            time.sleep(30)
        time.sleep(30)

    writing.sync_folder = hang


def test_what_is_not_out_is_not_told_as_published(tmp_path: Path) -> None:
    land(tmp_path, 1)
    arguments = ("--through", FIRST, "--json-logs")
    ended = run_after(hang_while_publishing, tmp_path, *arguments)
    assert ended.returncode == 4
    last = [json.loads(line) for line in ended.stderr.splitlines()][-1]
    assert (last["event"], last["outcome"], last["exit_code"]) == ("end", "failed", 4)
    told = json.loads((tmp_path / "published" / "status" / "last_run.json").read_text())
    assert (told["outcome"], told["last_success_at"]) == ("failed", None)
    assert not (tmp_path / "published" / "current").exists()


def stopped_too_late() -> None:
    """And by whatever mask the run was started with."""
    os.umask(0)
    switch_to = Published.switch_to

    def switch(*arguments: Any) -> None:
        switch_to(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    Published.switch_to = switch  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place whose run was told to stop when its release was out, and masked nothing."""
    place = tmp_path_factory.mktemp("stopped")
    land(place, 1)
    ended = run_after(stopped_too_late, place, "--through", FIRST)
    assert ended.returncode == 0, ended.stderr
    return place


def test_what_is_out_is_told_as_published(stopped: Path) -> None:
    assert query(stopped, "select outcome from ops.runs") == [("published",)]
    told = json.loads((stopped / "published" / "status" / "last_run.json").read_text())
    assert (told["outcome"], told["sealed_through"]) == ("published", str(FIRST))


def test_nothing_is_writable_for_the_world(stopped: Path) -> None:
    """Whatever mask the run was started with."""
    made = [path for path in stopped.rglob("*") if "landing" not in path.parts]
    assert len(made) > 50
    for path in made:
        if not path.is_symlink():
            assert not path.stat().st_mode & stat.S_IWOTH, path
