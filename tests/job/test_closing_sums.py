"""The end of a run accounts for every record that was due, and says what else nobody would see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import callbill
from tests.support.landing_files import json_lines, record, write
from tests.support.places import last_run
from tests.support.shared import make_once

A, B, NEVER = "100000000801", "100000000802", "200000001009"
SUM = ("billed", "duplicate", "failed", "void", "disagreeing", "unrated", "too_old")


def land(place: Path, arrived_on: str, *lines: dict, name: str = "calls.jsonl") -> None:
    write(place / f"landing/call_logs/arrived_on={arrived_on}/{name}", json_lines(*lines))


def call(name: str, day: str, owner: str = A, **fields: object) -> dict:
    return record(name, owner_uin=owner, called_at=f"{day}T10:00:00+08:00", **fields)


def run(place: Path, through: str, *more: str) -> str:
    ended = callbill("run", f"--place={place}", "--through", through, *more)
    assert ended.returncode == 0, ended.stderr
    return " ".join((ended.stdout if "--json-logs" not in more else ended.stderr).split())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "acme"
    assert callbill("init", place).returncode == 0
    return place


# Each an id with a failure and then a success, as a client makes them that tries again.
RETRIED = [
    one
    for number in range(7)
    for one in (
        call(f"retried-{number}", "2026-03-01", error_code="InternalError"),
        call(f"retried-{number}", "2026-03-01"),
    )
]
MIXED = [
    *(call(f"ok-{number}", "2026-03-01") for number in range(5)),
    call("ok-0", "2026-03-01"),
    *(call(f"bad-{number}", "2026-03-01", error_code="InternalError") for number in range(2)),
    *(call("whose", "2026-03-01", owner) for owner in (A, B)),
    call("unclaimed", "2026-03-01", action="SearchByImage"),
    call("unclaimed", "2026-03-01", action="SearchByImage"),
    call("old", "2025-12-01"),
    call("before-prices", "2019-12-31"),
    call("blank", "2026-03-01", f" {A}"),
    call("behind", "2026-03-01", f"{A} "),
]


FIRST_NIGHT = (
    "30 records due: 7 billed, 2 delivered again, 9 failed, 7 successful but void because"
    " another record of the call failed, 2 successful but void because records of the call"
    " disagree, 2 unrated, 1 too old."
)


OF_CALLS = {
    "request_ids_are_of_one_account",
    "successful_calls_are_in_time",
    "successful_calls_are_rated",
}
SECOND_NIGHT = (
    "4 records due: 1 billed, 1 failed, 1 successful but void because another record of the"
    " call failed, 1 successful but void because records of the call disagree."
    " 2 call(s) that were billed are taken back."
)


def land_first_night(place: Path) -> None:
    land(place, "2026-03-02", *RETRIED, *MIXED)


def land_second_night(place: Path) -> None:
    """A failure takes back a charge, and a success of a failed call charges nothing."""
    land(
        place,
        "2026-03-03",
        call("ok-1", "2026-03-01", error_code="InternalError"),
        call("ok-2", "2026-03-01", B),
        call("bad-0", "2026-03-01"),
        call("new", "2026-03-02"),
    )


def check_sum(due: dict[str, int]) -> None:
    assert due["records"] == sum(due[name] for name in SUM) == len(RETRIED) + len(MIXED)
    assert (due["void"], due["failed"], due["too_old"]) == (7, 9, 1)


@pytest.fixture(scope="module")
def nights() -> Path:
    """A folder with what three nights of a place said, and their status. Its calls are in several
    buckets. The first night has a budget of nobody, and before the last a component claims an
    action."""

    def make(folder: Path) -> None:
        place = folder / "acme"
        assert callbill("init", place).returncode == 0
        settings = place / "callbill.toml"
        settings.write_text("buckets = 2\n" + settings.read_text())
        with (place / "catalogue/budgets.csv").open("a") as stream:
            stream.write(f"{NEVER},,20\n{B},,20\n{A},,20\nall,,20\n")
        with (place / "catalogue/account_names.csv").open("a") as stream:
            stream.write(f"{B},Not yet a caller,\n")

        def settle(day: int) -> None:
            (folder / f"{day}.txt").write_text(run(place, f"2026-03-{day:02d}"))
            (folder / f"{day}.json").write_text(json.dumps(last_run(place)))

        land_first_night(place)
        settle(2)
        land_second_night(place)
        settle(3)
        run(place, "2026-03-03")
        (folder / "nothing.json").write_text(json.dumps(last_run(place)))
        with (place / "catalogue/component_actions.csv").open("a") as stream:
            stream.write("SearchByImage,wimgs_search_by_text,,,\n")
        settle(4)

    return make_once("nights-with-sums", make)


def said(nights: Path, day: int) -> str:
    return (nights / f"{day}.txt").read_text()


def status(nights: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((nights / f"{name}.json").read_text())
    return content


def test_every_record_of_several_buckets_is_accounted_for(nights: Path) -> None:
    assert FIRST_NIGHT in said(nights, 2)
    check_sum(status(nights, "2")["records_due"])
    assert SECOND_NIGHT in said(nights, 3)
    # Nothing is due: nothing became of any record.
    assert status(nights, "nothing")["records_due"] is None


def test_every_record_is_accounted_for(place: Path) -> None:
    """In a log of JSON lines there are as many as in words."""
    land_first_night(place)
    ended = callbill("run", f"--place={place}", "--through=2026-03-02", "--json-logs")
    events = map(json.loads, ended.stderr.splitlines())
    [event] = [one for one in events if one["event"] == "records due"]
    due = last_run(place)["records_due"]
    assert event.items() >= due.items()
    check_sum(due)


def test_the_unbilled_say_what_is_missing_and_those_that_waited_are_said(nights: Path) -> None:
    told = said(nights, 2)
    assert "SearchByImage 1 1 not known no component claims the action" in told
    assert "the component has no list price on that day" in told
    assert "No record was due. 1 call(s) that waited are billed now." in said(nights, 4)


def test_calls_of_a_closed_month_are_named(place: Path) -> None:
    land(place, "2026-09-30", call("early", "2026-09-29"))
    run(place, "2026-10-01")
    assert last_run(place)["warnings"] == []
    # The log of the last day landed after the run of the 1st.
    land(place, "2026-10-02", *(call(f"late-{n}", "2026-09-30", B) for n in range(3)))
    told = run(place, "2026-10-02")
    says = (
        "3 call(s) of 2026-09, whose bill is closed, are billed in 2026-10 (late usage):"
        f" account(s) {B}"
    )
    assert f"Warning: {says}" in told
    assert last_run(place)["warnings"] == [says]
    assert last_run(place)["controls_failed"] == []
    status = callbill("status", f"--place={place}").stdout
    assert says in status
    # The next night has nothing new to say, and a remade warehouse neither.
    land(place, "2026-10-03", call("usual", "2026-10-02"))
    (place / "warehouse.duckdb").unlink()
    run(place, "2026-10-03")
    assert last_run(place)["warnings"] == []


def test_cleaned_values_are_counted_and_a_budget_of_nobody_is_named(nights: Path) -> None:
    first = status(nights, "2")
    assert set(first["controls_failed"]) == {"terms_fit_an_account"} | OF_CALLS
    assert NEVER in said(nights, 2)
    assert "2 values were cleaned (owner_uin): ops.cleaned_values" in said(nights, 2)
    assert first["values_cleaned"] == {"owner_uin": 2}


def test_a_dry_run_shows_the_value_that_was_invalid(place: Path) -> None:
    land(place, "2026-03-02", call("a", "2026-03-01"))
    write(
        place / "landing/contracts/arrived_on=2026-03-02/contracts.csv",
        b"owner_uin,component_code,effective_from,effective_to,discount,contract_price\n"
        + f"{A},wimgs_search_by_text,2026-03-01,,90%,\n".encode(),
    )
    assert "invalid_discount 90%" in run(place, "2026-03-02", "--dry-run")
