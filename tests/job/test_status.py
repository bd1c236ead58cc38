"""`callbill status`: what each line of the screen says, and when."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import callbill, succeed
from tests.support.shared import make_once
from tests.support.story import OWNER, land, land_story, record


@pytest.fixture(scope="module")
def settled() -> Path:
    """A place in which the story was settled."""

    def make(folder: Path) -> None:
        succeed(callbill("init", "acme", cwd=folder))
        land_story(folder / "acme")
        succeed(callbill("run", "--through", "2026-03-06", cwd=folder / "acme"))

    return make_once("place-for-status", make) / "acme"


@pytest.fixture
def place(settled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(settled, tmp_path / "acme", symlinks=True))


def status(place: Path) -> dict[str, list[str]]:
    """The lines of the screen, by what stands before them."""
    ended = callbill("status", cwd=place)
    assert ended.returncode == 0, ended.stderr
    lines: dict[str, list[str]] = {}
    for line in ended.stdout.splitlines():
        lines.setdefault(line[:10].strip(), []).append(line[11:])
    return lines


def facts(place: Path) -> dict[str, Any]:
    ended = callbill("status", "--json", cwd=place)
    assert ended.returncode == 0, ended.stderr
    content: dict[str, Any] = json.loads(ended.stdout)
    return content


def test_an_empty_place_has_nothing_yet(tmp_path: Path) -> None:
    succeed(callbill("init", "acme", cwd=tmp_path))
    place = tmp_path / "acme"
    assert status(place) == {
        "place": [str(place)],
        "published": [str(place / "published")],
        "sealed": ["nothing yet"],
        "last run": ["none yet"],
        "waits": ["nothing"],
        "not read": ["nothing"],
        "warns": ["nothing"],
    }
    said = facts(place)
    assert (said["sealed_through"], said["release"], said["last_run"]) == (None, None, None)
    # Without a place, and where nothing is.
    assert status(tmp_path)["place"] == ["none; `callbill init` makes one"]


def test_it_says_through_when_it_is_sealed_and_how_the_last_run_ended(place: Path) -> None:
    lines, said = status(place), facts(place)
    assert said["sealed_through"] == "2026-03-06"
    [sealed] = lines["sealed"]
    assert sealed == f"through 2026-03-06, {said['days_due']} day(s) due through {said['today']}"
    assert said["release"] == (place / "published/current").resolve().name
    finished_at = said["last_run"]["finished_at"]
    assert lines["last run"] == [f"published, {finished_at}"]
    assert "running" not in lines
    assert "archived" not in lines
    assert said["running"] is None
    # It needs no landing folder, and no warehouse.
    for path in (place / "landing", place / "warehouse.duckdb.files"):
        shutil.rmtree(path)
    (place / "warehouse.duckdb").unlink()
    assert status(place) == lines


def test_a_run_that_failed_is_named_with_the_last_that_ended_well(place: Path) -> None:
    well = facts(place)["last_run"]["finished_at"]
    (place / "landing").rename(place / "elsewhere")
    ended = callbill("run", "--through", "2026-03-07", cwd=place)
    assert ended.returncode == 2
    [line] = status(place)["last run"]
    assert line.startswith("failed, ")
    assert "is not there; name it with --landing" in line
    run = facts(place)["last_run"]
    assert (run["outcome"], run["last_success_at"]) == ("failed", well)
    # A run that ended in the same second says it for both.
    assert run["finished_at"] == well or line.endswith(f"(the last that ended well: {well})")
    # What is sealed stands.
    assert facts(place)["sealed_through"] == "2026-03-06"


def test_it_names_what_waits_and_what_is_not_read(place: Path) -> None:
    land(place, "2026-03-09", record("w-1", "2026-03-08T10:00:00+08:00"))
    land(place, "2026-03-07", record("w-2", "2026-03-06T10:00:00+08:00"), name="w.jsonl.part")
    for number in range(7):
        land(place, "2026-03-07", "x", name=f"{number}.doc")
    succeed(callbill("run", "--through", "2026-03-07", cwd=place))
    lines = status(place)
    folder = "call_logs/arrived_on=2026-03"
    assert lines["waits"] == [
        f"{folder}-09/calls.jsonl, until 2026-03-09",
        f"{folder}-07/w.jsonl.part, until it has its final name",
    ]
    # Of many the first are named, the others are counted.
    assert [text.split(":")[0] for text in lines["not read"]] == [
        f"{folder}-07/{number}.doc" for number in range(5)
    ]
    assert lines[""] == ["and 2 more"]
    assert len(facts(place)["files_not_read"]) == 7


def test_it_warns_of_what_controls_found_and_of_the_catalogue(place: Path) -> None:
    with (place / "catalogue/budgets.csv").open("a") as stream:
        stream.write(f"{OWNER},2026-03,0.10\n")
    land(
        place,
        "2026-03-07",
        record("b-1", "2026-03-06T10:00:00+08:00", action="Unclaimed"),
        record("b-2", "2026-03-06T10:00:00+08:00"),
    )
    succeed(callbill("run", "--through", "2026-03-07", cwd=place))
    lines = status(place)
    assert "budgets_hold: 1 row(s)" in lines["warns"]
    assert "successful_calls_are_rated: 1 row(s)" in lines["warns"]
    [unbilled] = lines["unbilled"]
    assert unbilled == f"{facts(place)['unbilled_calls_to_date']} successful calls of all dates"
    names = {found["control"] for found in facts(place)["controls_failed"]}
    assert names >= {"budgets_hold", "successful_calls_are_rated"}
    # What the next run would be refused for.
    prices = place / "catalogue/list_prices.csv"
    prices.write_text(prices.read_text() + "no_such_component,2026-03-02,2026-03-02,70\n")
    assert any("list_prices.csv" in warning for warning in status(place)["warns"])


def test_a_candidate_that_waits_for_its_seal_is_named(place: Path) -> None:
    land(place, "2026-03-07", record("b-1", "2026-03-06T10:00:00+08:00", action="Unclaimed"))
    ended = callbill("run", "--through", "2026-03-07", "--candidate", cwd=place)
    assert ended.returncode == 0, ended.stderr
    [name] = [path.name for path in (place / "published/candidates").iterdir()]
    lines, said = status(place), facts(place)
    assert lines["candidate"] == [f"{name}, through 2026-03-07: callbill seal {name}"]
    # With what its own controls found: it is looked at before it is sealed.
    assert "warns successful_calls_are_rated: 1 row(s)" in lines[""]
    [candidate] = said["candidates"]
    found = {result["control"] for result in candidate.pop("controls_failed")}
    assert "successful_calls_are_rated" in found
    assert candidate == {"run_id": name, "through": "2026-03-07"}
    assert said["sealed_through"] == "2026-03-06"
    succeed(callbill("seal", name, cwd=place))
    lines = status(place)
    assert "candidate" not in lines
    assert lines["sealed"][0].startswith("through 2026-03-07")


def test_a_run_at_work_is_named_and_a_dead_one_is_not(place: Path) -> None:
    holder = place / "published/.lock-holder.json"
    process = {"pid": os.getpid(), "host": socket.gethostname(), "since": "2026-03-07T01:00:00"}
    holder.write_text(json.dumps(process))
    assert status(place)["running"] == [
        f"process {os.getpid()} on {socket.gethostname()} since 2026-03-07T01:00:00"
    ]
    assert facts(place)["running"] == process
    holder.write_text(json.dumps(process | {"pid": 2**22 + 1}))  # no process has such an id
    assert "running" not in status(place)


def test_what_is_archived_is_counted(place: Path) -> None:
    succeed(callbill("archive", "--before", "2026-03-04", cwd=place))
    assert status(place)["archived"] == ["2 files, checkpoint through 2026-03-06"]
    assert facts(place)["archived"] == {"files": 2, "checkpoint_through": "2026-03-06"}
