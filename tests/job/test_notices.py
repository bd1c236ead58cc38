"""Notices: a command of the place's own that is told how runs ended."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from callbill.jobs.notices import reasons_to_notify

from tests.support.commands import callbill, succeed
from tests.support.places import copy_of, last_run, manifest
from tests.support.story import OWNER, land, record, settled_in_a_place


@pytest.fixture
def place(tmp_path: Path) -> Path:
    succeed(callbill("init", "acme", cwd=tmp_path))
    return tmp_path / "acme"


def have_notices(place: Path, command: str, **others: str | int) -> None:
    lines = [f"command = {json.dumps(command)}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in others.items()]
    (place / "callbill.toml").write_text("\n".join(["[notify]", *lines]) + "\n")


def test_a_run_worth_a_notice_is_told_of_and_another_is_not(place: Path) -> None:
    have_notices(place, "cat > notice.json")
    land(place, "2026-03-02", record("n-1", "2026-03-01T10:00:00+08:00"))
    succeed(callbill("run", "--through", "2026-03-02", cwd=place))
    assert not (place / "notice.json").exists()
    with (place / "catalogue/budgets.csv").open("a") as file:
        file.write(f"all,2026-03,0.10\n{OWNER},,0.07\n")
    land(
        place,
        "2026-03-03",
        record("n-2", "2026-03-02T10:00:00+08:00", action="Unheard"),
        record("n-3", "2026-03-02T11:00:00+08:00"),
        "{",
    )
    succeed(callbill("run", "--through", "2026-03-03", cwd=place))
    notice = json.loads((place / "notice.json").read_text())
    assert notice.items() >= last_run(place).items()
    assert notice["place"] == str(place)
    assert Path(notice["site"]).exists()
    assert "1 line(s) were rejected" in notice["reasons"]
    assert "1 successful call(s) are not in the bill" in notice["reasons"]
    [unrated] = [reason for reason in notice["reasons"] if "calls_are_rated" in reason]
    assert unrated.startswith(
        "control successful_calls_are_rated found 1 row(s) otherwise: Every successful call is of"
    )
    assert "Unheard" in unrated.partition(" The first: ")[2]
    # Budgets are named.
    assert "budget all, 2026-03: 0.12 of 0.10 CNY (120 %)" in notice["reasons"]
    assert f"budget {OWNER}, 2026-03: 0.12 of 0.07 CNY (171 %)" in notice["reasons"]
    [found] = [found for found in notice["findings"] if found["control"] == "budgets_hold"]
    assert (found["severity"], found["rows"]) == ("warning", 2)
    assert found["examples"][0].startswith("budget ")


def test_a_notice_of_a_candidate_shows_the_site_of_the_candidate(place: Path) -> None:
    have_notices(place, "cat > notice.json")
    land(place, "2026-03-02", record("n-1", "2026-03-01T10:00:00+08:00"))
    succeed(callbill("run", "--through", "2026-03-02", "--candidate", cwd=place))
    site = Path(json.loads((place / "notice.json").read_text())["site"])
    [candidate] = (place / "published/candidates").iterdir()
    assert site == candidate / "site/index.html"
    assert site.exists()


def test_a_run_that_failed_is_told_of_and_the_first_that_goes_well_again(place: Path) -> None:
    have_notices(place, "cat >> notices.jsonl && echo >> notices.jsonl")
    (place / "landing").rmdir()
    assert callbill("run", "--through", "2026-03-02", cwd=place).returncode == 2
    (place / "landing").mkdir()
    prices = place / "catalogue" / "list_prices.csv"
    prices.rename(place / "prices")
    assert callbill("run", "--through", "2026-03-02", cwd=place).returncode == 2
    (place / "prices").rename(prices)
    assert callbill("run", "--through", "2026-03-02", "--dry-run", cwd=place).returncode == 0
    for _ in range(2):
        assert callbill("run", "--through", "2026-03-02", cwd=place).returncode == 0
    failed, refused, again = map(json.loads, (place / "notices.jsonl").read_text().splitlines())
    assert failed["reasons"] == [f"the run ended failed: {failed['message']}"]
    assert "list_prices.csv is missing" in refused["message"]
    assert again["reasons"] == ["runs end well again; the one before ended failed"]


def test_a_dry_run_tells_nobody_also_if_it_fails(tmp_path: Path) -> None:
    place = copy_of(settled_in_a_place(), tmp_path)
    have_notices(place, "cat > notice.json", when="always")
    status = {path: path.read_bytes() for path in (place / "published/status").iterdir()}
    assert len(status) == 2

    def fails(*arguments: str) -> None:
        ended = callbill("run", "--through", "2026-03-07", "--dry-run", *arguments, cwd=place)
        assert ended.returncode == 2
        assert not (place / "notice.json").exists(), arguments
        now = {path: path.read_bytes() for path in (place / "published/status").iterdir()}
        assert now == status, arguments

    fails("--landing=nowhere")
    fails("--vars={no_such_var: 1}")
    prices = place / "catalogue" / "list_prices.csv"
    prices.rename(place / "prices")
    fails()
    (place / "prices").rename(prices)
    with (place / "callbill.toml").open("a") as file:
        file.write("no_such_key = 1\n")
    fails()


def test_whatever_becomes_of_the_command_the_outcome_stays(place: Path) -> None:
    land(place, "2026-03-02", record("n-1", "2026-03-01T10:00:00+08:00"))
    for command, why, outcome in (
        ("echo no mail today >&2; exit 3", "exit code 3 no mail today", "published"),
        ("sleep 60 & sleep 60", "it took more than 1 seconds and was ended", "nothing_due"),
        ("true < /dev/null", None, "nothing_due"),
    ):
        have_notices(place, command, when="always", timeout=1)
        began = time.monotonic()
        ended = callbill("run", "--through", "2026-03-02", "--json-logs", cwd=place)
        assert time.monotonic() - began < 55
        assert ended.returncode == 0
        events = [json.loads(line) for line in ended.stderr.splitlines()]
        notices = [event["why"] for event in events if event["event"] == "notice not sent"]
        assert notices == ([why] if why else [])
        assert last_run(place)["outcome"] == outcome
        assert manifest(place)["through"] == "2026-03-02"


WELL: dict[str, Any] = {
    "outcome": "published",
    "message": "",
    "controls_failed": [],
    "findings": [],
    "warnings": [],
    "files_unreadable": 0,
    "records_rejected": 0,
    "files_not_read": [],
    "unbilled_calls": [],
}


def test_what_is_worth_a_notice() -> None:
    assert reasons_to_notify({}, WELL) == []
    assert reasons_to_notify(WELL, WELL) == []
    left = WELL | {"unbilled_calls": [{"calls": 2}, {"calls": 3}]}
    assert reasons_to_notify(WELL, left) == ["5 successful call(s) are not in the bill"]
    # A run with nothing due says again what the last settlement left, and that is no news.
    assert reasons_to_notify(WELL, left | {"outcome": "nothing_due"}) == []
    assert reasons_to_notify(WELL, WELL | {"outcome": "failed", "message": "why"}) == [
        "the run ended failed: why"
    ]
