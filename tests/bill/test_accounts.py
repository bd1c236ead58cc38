"""Accounts: ledger, arrears and service against a model of their own, on generated histories."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb
import pytest

from tests.bill.reference.accounts import Accounts
from tests.support.commands import callbill, run_job, settle
from tests.support.histories import check, history
from tests.support.landing_files import csv_file, json_lines, record, write
from tests.support.places import copy_of, places, query, unpublishable

# How many accounts there are, and the seed of their histories.
HISTORIES = [
    pytest.param((20, 21), id="few"),
    pytest.param((50, 3), id="many", marks=pytest.mark.long),
]


@pytest.fixture(scope="module", params=HISTORIES)
def settled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Accounts]]:
    place = tmp_path_factory.mktemp("accounts")
    owners, seed = request.param
    return place, check(place, history(seed, owners))


def test_generated_histories_equal_the_model(settled: tuple[Path, list[Accounts]]) -> None:
    """The comparison is in the fixture; here, that there was something to compare."""
    _place, (first, last) = settled
    assert len(last.ledger) > len(first.ledger) > 100
    assert {status for _, status, *_ in last.status} == {
        *("not_activated", "active", "arrears", "suspended"),
    }
    assert {notice[-1] for notice in [*first.notices, *last.notices]} == {"arrears", "suspended"}
    assert {reason for _, _, reason in last.rejects} >= {
        *("refund_of_post_paid_charges", "unknown_event_type", "activation_by_sub_account"),
        *("missing_amount", "invalid_amount"),
        *("event_id_of_another_event", "unblocks_more_than_is_frozen", "account_beyond_range"),
    }
    # Deductions that take credit and cash, and days that give cash back.
    assert any(row[4] == "deduction" and row[6] < 0 and row[7] < 0 for row in last.ledger)
    assert any(row[4] == "deduction" and row[5] > 0 for row in last.ledger)


def test_who_owes_is_told(settled: tuple[Path, list[Accounts]]) -> None:
    place, (_first, last) = settled
    ended = callbill("arrears", *places(place))
    assert ended.returncode == 0, ended.stderr
    for owner, since, due, stops_at, state in last.notices:
        [line] = [line for line in ended.stdout.splitlines() if f" {owner} " in line]
        assert line.split() == [
            *(owner, state, str(due)),
            *since.strftime("%Y-%m-%d %H:%M").split(),
            *stops_at.strftime("%Y-%m-%d %H:%M").split(),
        ]


# --- accounts of which the generated histories tell nothing ---

ODD = "account_events/arrived_on=2026-03-02"


def event(owner: str, event_id: str, **said: object) -> dict[str, object]:
    return {
        "event_id": event_id,
        "owner_uin": owner,
        "occurred_at": "2026-03-01T12:00:00+08:00",
        "event_type": "recharge",
        "amount": "1.00",
        **said,
    }


def call(owner: str, called_at: str) -> dict:
    return record(f"{owner} {called_at}", called_at=f"2026-{called_at}:00+08:00", owner_uin=owner)


def active(owner: str, since: str = "2026-03-01T00:00:00+08:00") -> dict[str, object]:
    return event(owner, f"{owner} act", event_type="activate", amount=None, occurred_at=since)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights; between them a run that failed after it had loaded a file of a later day."""
    place = tmp_path_factory.mktemp("odd")
    for path, content in {
        "ids.csv": csv_file(
            [event("ids", "800000000000"), event("ids", "800000000000.0"), event("ids", "8.0E+11")]
        ),
        "amounts.jsonl": json_lines(
            event("range", "first", amount="600000000000000.00"),
            event("range", "second", amount="400000000000000.01"),
            event("range", "third", amount="400000000000000.00"),
            event("digits", "fine", amount="0.0100000000000000000000"),
            event("digits", "finer", amount="0.010000000000000000001"),
        ),
        "times.jsonl": json_lines(
            event("future", "tomorrow", occurred_at="2026-03-09T00:00:00+08:00"),
            event("never", "9999", occurred_at="9999-12-31T23:59:59+08:00"),
            event("never", "30000", occurred_at="880000000000000"),
        ),
        "early.jsonl": json_lines(active("early", "2026-03-01T12:00:00+08:00")),
        "late.jsonl": json_lines(active("late"), event("late", "in")),
    }.items():
        write(place / "landing" / ODD / path, content)
    for day, calls in {
        2: [("early", "03-01T11:59"), ("early", "03-01T12:05"), ("late", "03-01T09:00")],
        4: [("late", "03-03T07:00"), ("late", "03-03T08:00"), ("later", "03-03T09:00")],
    }.items():
        folder = place / "landing" / "call_logs" / f"arrived_on=2026-03-0{day}"
        write(folder / "calls.jsonl", json_lines(*(call(*said) for said in calls)))
    settle(place, date(2026, 3, 5))
    write(
        place / "landing" / "account_events" / "arrived_on=2026-03-08" / "known.jsonl",
        json_lines(
            event("late", "out", event_type="adjust_deduct", amount="1.00"),
            active("later", "2026-03-04T00:00:00+08:00"),
        ),
    )
    with unpublishable(place):
        assert run_job(place, "--through", "2026-03-08").returncode == 1
    settle(place, date(2026, 3, 6))
    return place


def reasons(place: Path, file: str) -> dict[int, str]:
    return dict(
        query(
            place,
            "select line_number, reason from ops.rejected_records"
            f" where path = '{ODD}/{file}' order by all",
        )
    )


def test_an_id_that_a_spreadsheet_made_a_number_of_is_rejected(odd: Path) -> None:
    assert reasons(odd, "ids.csv") == {3: "invalid_event_id", 4: "invalid_event_id"}


def test_amounts_are_exact_and_no_balance_leaves_its_type(odd: Path) -> None:
    assert reasons(odd, "amounts.jsonl") == {2: "account_beyond_range", 5: "invalid_amount"}
    assert query(
        odd,
        "select balance::varchar from billing.account_ledger where owner_uin = 'range'"
        " order by entry_no",
    ) == [("600000000000000.00",), ("1000000000000000.00",)]


def test_what_is_rejected_beside_others_keeps_the_files_own_words(odd: Path) -> None:
    [(fields,)] = query(
        odd, "select fields from ops.rejected_records where reason = 'account_beyond_range'"
    )
    assert json.loads(fields) == {
        **event("range", "second", amount="400000000000000.01"),
        **{"operate_uin": None, "memo": None},
    }


def test_an_owner_whose_events_are_yet_to_come_has_no_ledger(odd: Path) -> None:
    assert query(odd, "from billing.account_ledger where owner_uin = 'future'") == []
    assert query(odd, "from billing.service_status where owner_uin = 'future'") == []


def test_no_calendar_date_is_no_time(odd: Path) -> None:
    assert reasons(odd, "times.jsonl") == {2: "invalid_occurred_at", 3: "invalid_occurred_at"}


def test_a_failed_run_of_a_later_day_leaves_nothing_to_an_earlier_one(odd: Path) -> None:
    assert query(odd, "select reference from billing.account_ledger where owner_uin = 'late'") == [
        ("in",),
        ("2026-03-02/wimgs/2026-03-01",),
        ("2026-03-04/wimgs/2026-03-01",),
    ]


def leaks(place: Path) -> list[list[tuple[str, str]]]:
    """Owners and times of the calls that each run reported."""
    with duckdb.connect(str(place / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute(
            "select severity, sample from ops.control_results"
            " where control_id = 'no_service_without_standing' order by run_id"
        ).fetchall()
    assert {severity for severity, _ in rows} == {"warning"}
    return [
        sorted((found["owner_uin"], found["called_at"]) for found in json.loads(sample))
        for _, sample in rows
    ]


def test_service_without_standing_is_reported_when_it_becomes_known(
    odd: Path, tmp_path: Path
) -> None:
    """Before the first event; and, by events that came late, suspended or not yet activated."""
    place = copy_of(odd, tmp_path)
    settle(place, date(2026, 3, 8))
    settle(place, date(2026, 3, 9))
    *_, second, third, fourth = leaks(place)
    assert leaks(place)[0] == [("early", "2026-03-01 11:59:00+08")]
    assert second == []
    assert third == [("late", "2026-03-03 08:00:00+08"), ("later", "2026-03-03 09:00:00+08")]
    assert fourth == []
    assert callbill("rebuild", *places(place)).returncode == 0
    assert leaks(place)[-1] == sorted(leaks(place)[0] + third)
