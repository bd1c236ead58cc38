"""`callbill status`: what each line of the screen says, and when."""

from __future__ import annotations

import json
import os
import shutil
import socket
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from callbill.base.settings import load_settings
from callbill.queries.status import load_status

from tests.support.commands import callbill, succeed
from tests.support.shared import make_once
from tests.support.story import OWNER, land, record, settled_in_a_place


@pytest.fixture(scope="module")
def settled() -> Path:
    """A place in which the story was settled."""
    return settled_in_a_place()


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


def below(place: Path, name: str) -> list[str]:
    """The lines below one of the screen, up to the next that has a name."""
    lines = callbill("status", cwd=place).stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line[:10].strip() == name)
    return [line[11:] for line in takewhile(lambda line: not line[:10].strip(), lines[at + 1 :])]


def facts(place: Path) -> dict[str, Any]:
    """What `callbill status --json` says."""
    content: dict[str, Any] = json.loads(json.dumps(load_status(load_settings(place=place))))
    return content


def in_shanghai(instant: str) -> str:
    """An instant as commands show it: in the billing timezone."""
    at = datetime.fromisoformat(instant)
    assert at.utcoffset() == timedelta(0)
    return at.astimezone(ZoneInfo("Asia/Shanghai")).isoformat(" ", "seconds")


def test_an_empty_place_has_nothing_yet(tmp_path: Path) -> None:
    succeed(callbill("init", "acme", cwd=tmp_path))
    place = tmp_path / "acme"
    assert status(place) == {
        "place": [str(place)],
        "published": [str(place / "published")],
        "sealed": ["nothing yet"],
        "last run": ["none yet"],
        "waits": ["nothing, as of the last run"],
        "not read": ["nothing, as of the last run"],
        "warns": ["nothing"],
    }
    said = facts(place)
    assert (said["sealed_through"], said["release"], said["last_run"]) == (None, None, None)
    # Without a place, and where nothing is.
    assert status(tmp_path)["place"] == ["none; `callbill init` makes one"]


def test_it_says_through_when_it_is_sealed_and_how_the_last_run_ended(place: Path) -> None:
    lines, said = status(place), facts(place)
    assert json.loads(callbill("status", "--json", cwd=place).stdout) == said
    assert said["sealed_through"] == "2026-03-06"
    [sealed] = lines["sealed"]
    assert sealed == f"through 2026-03-06, {said['days_due']} day(s) due through {said['today']}"
    assert said["release"] == (place / "published/current").resolve().name
    assert said["billing_timezone"] == "Asia/Shanghai"
    assert lines["last run"] == [f"published, {in_shanghai(said['last_run']['finished_at'])}"]
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
    assert run["finished_at"] == well or line.endswith(
        f"(the last that ended well: {in_shanghai(well)})"
    )
    # What is sealed stands.
    assert facts(place)["sealed_through"] == "2026-03-06"


@pytest.fixture(scope="module")
def warned(settled: Path) -> Path:
    """One night later: with files that are left, lines that are rejected, calls that nobody claims
    and a budget that does not hold."""

    def make(folder: Path) -> None:
        place = Path(shutil.copytree(settled, folder / "acme", symlinks=True))
        land(place, "2026-03-09", record("w-1", "2026-03-08T10:00:00+08:00"))
        land(place, "2026-03-07", record("w-2", "2026-03-06T10:00:00+08:00"), name="w.jsonl.part")
        for number in range(7):
            land(place, "2026-03-07", "x", name=f"{number}.doc")
        with (place / "catalogue/budgets.csv").open("a") as stream:
            stream.write(f"{OWNER},2026-03,0.10\n")
        land(
            place,
            "2026-03-07",
            record("b-1", "2026-03-06T10:00:00+08:00", action="Unclaimed"),
            record("b-2", "2026-03-06T10:00:00+08:00"),
            *("{", "{{"),
        )
        succeed(callbill("run", "--through", "2026-03-07", cwd=place))

    return make_once("status-warned", make) / "acme"


def test_it_names_what_waits_and_what_is_not_read(warned: Path) -> None:
    lines = status(warned)
    folder = "call_logs/arrived_on=2026-03"
    assert lines["waits"] == [
        "2 file(s), as of the last run:",
    ]
    assert below(warned, "waits") == [
        f"{folder}-09/calls.jsonl, until 2026-03-09",
        f"{folder}-07/w.jsonl.part, until it has its final name",
    ]
    # Of many the first are named, the others are counted.
    assert lines["not read"] == ["7 file(s), as of the last run:"]
    *named, last = below(warned, "not read")
    assert [text.split(":")[0] for text in named] == [
        f"{folder}-07/{number}.doc" for number in range(5)
    ]
    assert last == "and 2 more"
    assert lines["unread"] == ["9 file(s) lie in the landing folder unread now"]
    assert len(facts(warned)["files_not_read"]) == 7


def test_files_that_landed_since_the_last_run_are_counted(place: Path) -> None:
    assert facts(place)["files_unread"] == 0
    assert "unread" not in status(place)
    land(place, "2026-03-07", record("u-1", "2026-03-06T10:00:00+08:00"))
    land(place, "2026-03-07", "x", name="x.doc")
    edited = land(place, "2026-03-02", record("u-2", "2026-03-01T10:00:00+08:00"))
    assert edited.name == "calls.jsonl"  # it has other bytes than what was loaded
    assert facts(place)["files_unread"] == 3
    lines = status(place)
    assert lines["unread"] == ["3 file(s) lie in the landing folder unread now"]
    assert lines["waits"] == ["nothing, as of the last run"]
    # Without the warehouse what is released is known by its name.
    (place / "warehouse.duckdb").unlink()
    assert facts(place)["files_unread"] == 2
    shutil.rmtree(place / "landing")
    assert facts(place)["files_unread"] is None


def test_rejected_lines_are_counted(settled: Path, warned: Path, tmp_path: Path) -> None:
    assert "rejected" not in status(settled)
    place = Path(shutil.copytree(warned, tmp_path / "acme", symlinks=True))
    land(place, "2026-03-08", record("u-2", "2026-03-07T10:00:00+08:00"), "{{{")
    succeed(callbill("run", "--through", "2026-03-08", cwd=place))
    said = facts(place)
    assert (said["records_rejected"], said["records_rejected_to_date"]) == (1, 3)
    assert status(place)["rejected"] == ["3 of all that was read, 1 by the last run"]


def test_it_warns_of_what_controls_found_and_of_the_catalogue(warned: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(warned, tmp_path / "acme", symlinks=True))
    lines = status(place)
    assert "budgets_hold: 1 row(s)" in lines["warns"]
    assert "successful_calls_are_rated: 1 row(s)" in lines["warns"]
    assert "What to do: docs/controls.md, or Data Docs on the site" in lines[""]
    [unbilled] = lines["unbilled"]
    assert unbilled == f"{facts(place)['unbilled_calls_to_date']} successful calls of all dates"
    names = {found["control"] for found in facts(place)["controls_failed"]}
    assert names >= {"budgets_hold", "successful_calls_are_rated"}
    # What the next run would be refused for.
    prices = place / "catalogue/list_prices.csv"
    prices.write_text(prices.read_text() + "no_such_component,2026-03-02,2026-03-02,70\n")
    assert any("list_prices.csv" in warning for warning in status(place)["warns"])


def test_a_candidate_that_waits_for_its_seal_is_named(place: Path) -> None:
    """With what its own run found: it is looked at before it is sealed, and said after it, too."""
    land(place, "2026-03-07", record("b-1", "2026-03-06T10:00:00+08:00", action="Unclaimed"), "{")
    land(place, "2026-03-07", "x", name="x.doc")
    land(place, "2026-03-09", record("b-2", "2026-03-08T10:00:00+08:00"))
    ended = callbill("run", "--through", "2026-03-07", "--candidate", cwd=place)
    assert ended.returncode == 0, ended.stderr
    [name] = [path.name for path in (place / "published/candidates").iterdir()]
    lines, before = status(place), facts(place)
    assert lines["candidate"] == [f"{name}, through 2026-03-07: callbill seal {name}"]
    assert "warns successful_calls_are_rated: 1 row(s)" in lines[""]
    [candidate] = before["candidates"]
    found = {result["control"] for result in candidate.pop("controls_failed")}
    assert "successful_calls_are_rated" in found
    [waiting], [not_read] = candidate.pop("files_waiting"), candidate.pop("files_not_read")
    assert waiting["name"] == "call_logs/arrived_on=2026-03-09/calls.jsonl"
    assert not_read["name"] == "call_logs/arrived_on=2026-03-07/x.doc"
    assert candidate == {
        "run_id": name,
        "through": "2026-03-07",
        "is_newest": True,
        "settle_from": "2026-03-07",
        "calls": 0,
        "deducted_amount": "0.00",
        "records_rejected": 1,
        "unbilled_calls": 1,
        "warnings": [],
    }
    assert before["sealed_through"] == "2026-03-06"
    # The files of a candidate are read once it is sealed; the other two never.
    assert before["files_unread"] == 3
    succeed(callbill("seal", name, cwd=place))
    lines, after = status(place), facts(place)
    assert "candidate" not in lines
    assert lines["sealed"][0].startswith("through 2026-03-07")
    assert after["files_unread"] == 2
    for key in ("files_waiting", "files_not_read", "records_rejected", "warnings"):
        assert after[key] == before[key]
    assert len(after["files_not_read"]) == len(after["files_waiting"]) == 1
    assert after["records_rejected"] == 1


def test_candidates_say_what_each_has_and_which_is_newest(tmp_path: Path) -> None:
    """The first lacks a file, and would be sealed without it."""
    succeed(callbill("init", "acme", cwd=tmp_path))
    place = tmp_path / "acme"
    logs = place / "landing/call_logs"
    logs.mkdir()
    noon = datetime.fromisoformat("2026-03-02T12:00:00+08:00").timestamp()
    for name, lines in (
        ("a.jsonl", [record("h-1", "2026-03-01T10:00:00+08:00"), "{"]),
        ("b.jsonl", [record("h-2", "2026-03-01T12:00:00+08:00")]),
    ):
        (logs / name).write_text("\n".join(lines) + "\n")
    os.utime(logs / "a.jsonl", (noon, noon))
    make = ("run", "--through", "2026-03-02", "--candidate")
    succeed(callbill(*make, cwd=place))
    os.utime(logs / "b.jsonl", (noon, noon))
    succeed(callbill(*make, cwd=place))
    first, second = facts(place)["candidates"]
    assert (first["is_newest"], second["is_newest"]) == (False, True)
    assert (first["calls"], second["calls"]) == (1, 2)
    assert (first["deducted_amount"], second["deducted_amount"]) == ("0.06", "0.12")
    assert (first["records_rejected"], second["records_rejected"]) == (1, 1)
    [waiting] = first["files_waiting"]
    assert waiting["name"] == "call_logs/b.jsonl"
    assert "1 file(s) without a date are left out of history" in first["warnings"][0]
    assert (second["files_waiting"], second["warnings"]) == ([], [])
    lines = status(place)
    assert lines["candidate"] == [
        f"{first['run_id']}, through 2026-03-02, is not the newest",
        f"{second['run_id']}, through 2026-03-02, the newest: callbill seal {second['run_id']}",
    ]
    assert (
        "1 calls, 0.06 CNY; 1 file(s) left out, 1 line(s) rejected, 0 call(s) unbilled"
        in (lines[""])
    )
    assert (
        "2 calls, 0.12 CNY; 0 file(s) left out, 1 line(s) rejected, 0 call(s) unbilled"
        in (lines[""])
    )
    assert f"warns {first['warnings'][0]}" in lines[""]


def test_a_run_at_work_is_named_and_a_dead_one_is_not(place: Path) -> None:
    holder = place / "published/.lock-holder.json"
    process = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": "2026-03-07T01:00:00+00:00",
    }
    holder.write_text(json.dumps(process))
    assert status(place)["running"] == [
        f"process {os.getpid()} on {socket.gethostname()} since 2026-03-07 09:00:00+08:00"
    ]
    assert facts(place)["running"] == process
    holder.write_text(json.dumps(process | {"pid": 2**22 + 1}))  # no process has such an id
    assert "running" not in status(place)


def test_what_is_archived_is_counted(place: Path) -> None:
    succeed(callbill("archive", "--before", "2026-03-04", cwd=place))
    assert status(place)["archived"] == ["2 files, checkpoint through 2026-03-06"]
    assert facts(place)["archived"] == {"files": 2, "checkpoint_through": "2026-03-06"}
