"""Deliveries: content that comes again, history, files that wait, and a wrong landing folder."""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from callbill.base.errors import CallbillError
from callbill.jobs import loading

from tests.support.commands import callbill, run_job, settle, succeed
from tests.support.guide import PAGES
from tests.support.landing_files import json_lines, load, record, write
from tests.support.places import (
    copy_of,
    last_run,
    lose_warehouse,
    manifest,
    places,
    query,
    query_warehouse,
)
from tests.support.shared import make_once

OWNER = "100000000081"
CONTRACTS = "owner_uin,component_code,effective_from,effective_to,discount,contract_price\n"


def contract(discount: str, *more_owners: str) -> bytes:
    lines = (f"{o},wimgs_search_by_text,2026-01-01,,{discount},\n" for o in (OWNER, *more_owners))
    return (CONTRACTS + "".join(lines)).encode()


def land_calls(place: Path, day: int, calls: int = 10) -> None:
    """Calls used on the day before that day of March, arrived on it."""
    used_at = f"2026-03-{day - 1:02d}T10:00:00+08:00"
    lines = json_lines(*(record(f"r-{day}-{n}", called_at=used_at) for n in range(calls)))
    write(place / f"landing/call_logs/arrived_on=2026-03-{day:02d}/calls.jsonl", lines)


def land_contracts(place: Path, day: int, content: bytes, name: str = "c") -> Path:
    path = place / f"landing/contracts/arrived_on=2026-03-{day:02d}/{name}.csv"
    return write(path, content)


def land_vendor_bill(place: Path, day: int, cost: str) -> None:
    """The vendor's bill of what was used on the 1st of March."""
    rows = (
        "支付者UIN,组件类型,开始使用时间,结束使用时间,扣费时间,优惠后总价",
        f"{OWNER},wimgs_search_by_text,2026-03-01 00:00:00,2026-03-01 23:59:59,"
        f"2026-03-02 08:00:00,{cost}",
    )
    path = place / f"landing/vendor_bills/arrived_on=2026-03-{day:02d}/bill.csv"
    write(path, "".join(f"{row}\n" for row in rows).encode())


def costs(place: Path) -> dict[int, Decimal]:
    """What the usage of each day cost, by the day of its settlement."""
    rows = query(
        place,
        "select day(settled_on), sum(real_cost) from billing.bill_lines"
        " where line_type = 'usage' group by all",
    )
    return dict(rows)


def rebuild_and_verify(place: Path) -> None:
    """Neither the loss of the warehouse nor a second computation finds another bill."""
    lose_warehouse(place)
    succeed(callbill("rebuild", *places(place)))
    with_hashes = "select settled_on::varchar, content_hash from ops.settlement_hashes"
    assert dict(query_warehouse(place, with_hashes)) == manifest(place)["settlement_hashes"]
    succeed(callbill("verify", *places(place)))


# --- latest counts -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def back_and_forth() -> Path:
    return make_once("back-and-forth", go_back_and_forth)


# Keys of folders that are nearly one, and what is meant.
MEANT = {
    **dict.fromkeys(("arrived-on", "Arrived_On", "arrived"), "arrived_on"),
    "formats": "format",
}


def go_back_and_forth(place: Path) -> None:
    """A, then B, then A again, day by day, each with ten calls; and A every day after. Some files
    lie in folders that are not read."""
    for key in MEANT:
        path = place / f"landing/call_logs/{key}=2026-03-03/x.jsonl"
        write(path, json_lines(record(key)))
    write(place / "landing/call_logs/dt=2026-03-03/arrived_on=2026-03-03/y.jsonl", b"\n")
    terms = {2: "0.5", 3: "0.6", 4: "0.5", 5: "0.5", 6: "0.5"}
    for day, discount in terms.items():
        land_contracts(place, day, contract(discount))
        land_calls(place, day)
        if day <= 4:
            land_vendor_bill(place, day, cost="0.7" if day == 3 else "0.3")
        if day in (4, 6):
            settle(place, f"2026-03-{day:02d}")


def test_going_back_to_earlier_terms_counts(back_and_forth: Path) -> None:
    assert costs(back_and_forth) == {
        2: Decimal("0.30"),
        3: Decimal("0.36"),
        4: Decimal("0.30"),
        5: Decimal("0.30"),
        6: Decimal("0.30"),
    }
    kinds = "select settled_on, line_type from billing.bill_lines where line_type <> 'usage'"
    reratings = query(back_and_forth, kinds + " and settled_on >= '2026-03-05'")
    assert reratings == []


def test_going_back_to_an_earlier_vendor_bill_counts(back_and_forth: Path) -> None:
    lines = query(
        back_and_forth,
        "select day(arrived_on), status, vendor_cost::varchar from billing.vendor_bill_lines"
        " order by 1",
    )
    assert lines == [
        (2, "superseded", "0.30000000"),
        (3, "superseded", "0.70000000"),
        (4, "usage", "0.30000000"),
    ]


def test_each_delivery_is_a_load_with_its_counts(back_and_forth: Path) -> None:
    files = query(
        back_and_forth,
        """
        select day(arrived_on), len(source_file_id), lines_read, records_accepted
        from ops.source_files where feed = 'contracts' order by arrived_on
        """,
    )
    assert files == [(day, 64, 1, 1) for day in range(2, 7)]
    loads = [load for load in manifest(back_and_forth)["loads"] if load["feed"] == "contracts"]
    assert len({load["source_file_id"] for load in loads}) == 2
    assert [load["arrived_on"][-2:] for load in loads] == ["02", "03", "04", "05", "06"]


def test_an_unchanged_list_is_neither_read_nor_kept_again(back_and_forth: Path) -> None:
    rows = query_warehouse(back_and_forth, "select count(*) from raw.contracts_loaded")
    assert rows == [(2,)]
    # A on the 2nd, B on the 3rd, A on the 4th; on the 5th and 6th A says nothing new.
    rows = query_warehouse(
        back_and_forth, "select day(settlement_floor) from raw.contracts order by 1"
    )
    assert rows == [(2,), (3,), (4,)]


def test_deliveries_are_rebuilt_and_verified(back_and_forth: Path, tmp_path: Path) -> None:
    place = copy_of(back_and_forth, tmp_path)
    # One file is good for all deliveries of its content.
    for day in (5, 6):
        shutil.rmtree(place / f"landing/contracts/arrived_on=2026-03-{day:02d}")
    rebuild_and_verify(place)
    land_calls(place, 7)
    settle(place, "2026-03-07")
    assert costs(place)[7] == Decimal("0.30")


def test_a_line_is_explained_by_the_delivery_that_priced_it(back_and_forth: Path) -> None:
    of_day = "select line_id from billing.bill_lines where settled_on = '2026-03-06'"
    [(line_id,)] = query(back_and_forth, of_day)
    ended = callbill("explain", line_id, *places(back_and_forth))
    assert ended.returncode == 0, ended.stderr
    assert "arrived_on=2026-03-04/c.csv" in ended.stdout


# --- a first set-up with history -----------------------------------------------------------------


def undated(path: Path, content: bytes, modified: str) -> Path:
    """A file whose path states no arrival date."""
    write(path, content)
    at = datetime.fromisoformat(f"{modified}T09:00:00+08:00").timestamp()
    os.utime(path, (at, at))
    return path


def calls_of_day(day: str, calls: int, **fields: object) -> list[dict[str, Any]]:
    used_at = f"{day}T10:00:00+08:00"
    return [record(f"{day}-{n}", **{"called_at": used_at, **fields}) for n in range(calls)]


EVENTS = (
    "event_id,owner_uin,operate_uin,occurred_at,event_type,amount,memo\n"
    f"e1,{OWNER},{OWNER},2025-12-30T10:00:00+08:00,recharge,50.00,\n"
)


@pytest.fixture(scope="module")
def history() -> Path:
    """A folder with the place below, and what three runs of it said."""

    def make(folder: Path) -> None:
        place = land_history(folder / "place")
        through = ("--through", "2026-04-02")
        for name, more in (("dry", ("--dry-run",)), ("real", ()), ("again", ())):
            ended = run_job(place, *through, *more)
            succeed(ended)
            (folder / name).write_text(ended.stdout)
            assert (place / "published" / "current").exists() == (name != "dry")

    return make_once("history", make)


def land_history(place: Path) -> Path:
    """Calls of January to March, without dates, copied here on the 2nd of April; a contract since
    March and a recharge too. One file was copied some days later."""
    folder = place / "landing/call_logs/old"
    for month, day, calls in (("01", "31", 1), ("02", "10", 2), ("03", "15", 3)):
        lines = json_lines(*calls_of_day(f"2026-{month}-{day}", calls))
        undated(folder / f"{month}.jsonl", lines, "2026-04-02")
    bad = (*calls_of_day("2026-04-04", 1), record("b", owner_uin="1.0E+11"))
    undated(folder / "bad.jsonl", json_lines(*bad), "2026-04-02")
    terms = (CONTRACTS + f"{OWNER},wimgs_search_by_text,2026-03-01,,0.5,\n").encode()
    undated(place / "landing/contracts/c.csv", terms, "2026-04-02")
    copied = json_lines(*calls_of_day("2026-03-01", 2))
    undated(folder / "copied-later.jsonl", copied, "2026-04-06")
    undated(place / "landing/account_events/e.csv", EVENTS.encode(), "2026-04-02")
    return place


@pytest.fixture
def with_history(history: Path) -> Path:
    return history / "place"


@pytest.fixture
def first_runs(history: Path) -> tuple[str, str, str]:
    """What the end of a dry run, of the first run and of one that has nothing to do say."""
    dry, real, again = ((history / name).read_text() for name in ("dry", "real", "again"))
    return dry, real, again


MONTHS = [
    ("2026-01", 1, Decimal("0.06000000")),
    ("2026-02", 2, Decimal("0.12000000")),
    ("2026-03", 3, Decimal("0.09000000")),
]


def test_history_is_billed_in_the_months_it_belongs_to(with_history: Path) -> None:
    bills = "select strftime(bill_month, '%Y-%m'), calls, rated_amount from billing.monthly_bills"
    assert query(with_history, bills + " order by 1") == MONTHS
    lines = "select distinct line_type, settled_on - usage_date from billing.bill_lines"
    assert query(with_history, lines) == [("usage", 1)]
    sealed = sorted(manifest(with_history)["settlement_hashes"])
    assert (sealed[0], sealed[-1], len(sealed)) == ("2026-02-01", "2026-04-02", 61)
    rejects = "select line_number, reason from ops.rejected_records order by all"
    assert query(with_history, rejects) == [(1, "future_timestamp"), (2, "invalid_owner_uin")]
    known_from = "select distinct known_from::varchar from billing.account_ledger"
    assert ("2026-02-01",) in query(with_history, known_from)


def test_the_manifest_says_that_a_file_was_history(with_history: Path) -> None:
    loads = manifest(with_history)["loads"]
    assert {load["arrival"] for load in loads} == {"history"}
    floors = {load["path"]: load["settlement_floor"] for load in loads}
    assert floors == {
        "call_logs/old/01.jsonl": "2026-02-01",
        "call_logs/old/02.jsonl": "2026-02-11",
        "call_logs/old/03.jsonl": "2026-03-16",
        "call_logs/old/bad.jsonl": "2026-04-02",
        "contracts/c.csv": "2026-02-01",
        "account_events/e.csv": "2026-02-01",
    }


def test_a_first_run_of_many_days_shows_what_it_bills(first_runs: tuple[str, str, str]) -> None:
    dry, real, again = first_runs
    assert "this run would settle 61 days at once" in dry
    assert "this run settled 61 days at once" in real
    assert "days at once" not in again
    for shown in (dry, real):
        for month, calls, rated in MONTHS:
            row = next(line.split() for line in shown.splitlines() if line.split()[:1] == [month])
            assert row[:4] == [month, "1", str(calls), str(rated)]


def test_history_is_rebuilt_and_verified(with_history: Path, tmp_path: Path) -> None:
    place = copy_of(with_history, tmp_path)
    (place / "landing/call_logs/old/copied-later.jsonl").unlink()
    # After the first seal the same kind of file is late.
    late = json_lines(*calls_of_day("2026-02-20", 4))
    undated(place / "landing/call_logs/old/late.jsonl", late, "2026-04-03")
    # And so are terms, if they are new.
    known = (place / "landing/contracts/c.csv").read_text()
    terms = known + f"{OWNER},wimgs_search_by_text,2026-03-10,,0.25,\n"
    undated(place / "landing/contracts/more.csv", terms.encode(), "2026-04-03")
    ended = run_job(place, "--through", "2026-04-03")
    succeed(ended)
    warning = (
        "call_logs/old/late.jsonl has no date and came after the first seal: 4 of its records, of"
        " usage from 2026-02-20 to 2026-02-20, are late and settle from 2026-04-03 on"
    )
    assert f"Warning: {warning}\n" in ended.stdout
    assert last_run(place)["warnings"] == [
        warning,
        "contracts/more.csv has no date and came after the first seal: 1 of its terms reach back to"
        " 2026-03-10; usage that was settled before is re-rated on 2026-04-03",
        "4 call(s) of 2026-02, whose bill is closed, are billed in 2026-04 (late usage): account(s)"
        f" {OWNER}",
    ]
    lines = (
        "select line_type, calls from billing.bill_lines where settled_on = '2026-04-03'"
        " order by all"
    )
    assert query(place, lines) == [("late_usage", 4), ("rerating", -3), ("rerating", 3)]
    [load] = [load for load in manifest(place)["loads"] if load["path"].endswith("late.jsonl")]
    assert load["arrival"] is None
    rebuild_and_verify(place)


LEFT_OUT = (
    "1 file(s) without a date are left out of history, call_logs/old/copied-later.jsonl among"
    " them: modified after 2026-04-02. Run through 2026-04-06 or later, or set the date on"
    " which they were modified (touch -d)"
)


def test_history_that_was_copied_today_is_not_left_out_in_silence(
    first_runs: tuple[str, str, str],
) -> None:
    """Through that date it is history as any other, see the page on a first set-up below."""
    dry, real, _again = first_runs
    for said in (dry, real):
        assert f"Warning: {LEFT_OUT}\n" in said


def test_a_dry_run_shows_what_it_would_bill_and_reject(first_runs: tuple[str, str, str]) -> None:
    dry, _real, _again = first_runs
    rows = [line.split() for line in dry.splitlines()]
    assert ["2026-03", "usage", "1", "3", "0.09000000"] in rows
    rejected = [row[1:3] for row in rows if row[:1] == ["call_logs/old/bad.jsonl"]]
    for line in (["1", "future_timestamp"], ["2", "invalid_owner_uin"]):
        assert line in rejected
    assert "callbill rejects" not in dry


def test_a_key_that_is_nearly_one_is_asked_about(back_and_forth: Path) -> None:
    unread = {file["name"]: file["why"] for file in last_run(back_and_forth)["files_not_read"]}
    assert unread == {
        f"call_logs/{key}=2026-03-03/x.jsonl": f"lies below {key}=: is {name}= meant?"
        for key, name in MEANT.items()
    }


def test_the_folder_of_a_feed_is_no_landing_folder(tmp_path: Path) -> None:
    land_calls(tmp_path, 3)
    ended = run_job(
        tmp_path, "--landing", tmp_path / "landing/call_logs", "--through", "2026-03-03"
    )
    assert ended.returncode == 2
    assert "call_logs is the folder of a feed: name the folder above it" in ended.stderr


# --- files that wait, and a wrong landing folder -------------------------------------------------


def test_files_that_wait_are_named_with_their_date(tmp_path: Path) -> None:
    place = tmp_path
    land_calls(place, 5)
    write(place / "landing/call_logs/arrived_on=2026-03-02/half.jsonl.tmp", b"{")
    write(place / "landing/call_logs/notes.docx", b"-")
    waits = {"name": "call_logs/arrived_on=2026-03-05/calls.jsonl", "until": "2026-03-05"}
    half = {"name": "call_logs/arrived_on=2026-03-02/half.jsonl.tmp", "until": None}

    def run(through: str, *more: str) -> str:
        ended = run_job(place, "--through", through, *more)
        succeed(ended)
        shown = ended.stdout + ended.stderr
        assert shown.count("notes.docx") == shown.count("half.jsonl.tmp") == 1
        return shown

    for more in (("--dry-run",), ()):
        shown = run("2026-03-04", *more)
        assert "nothing was loaded yet, and 1 file(s) wait until 2026-03-05 or later" in shown
        assert f"Waits: {waits['name']}: until 2026-03-05\n" in shown
    assert last_run(place)["files_waiting"] == [waits, half]
    run("2026-03-05")
    assert last_run(place)["files_waiting"] == [half]
    # A file that arrived, but after everything through its date was sealed.
    land_calls(place, 4)
    assert "calls.jsonl: until 2026-03-06\n" in run("2026-03-05")
    assert [file["until"] for file in last_run(place)["files_waiting"]] == ["2026-03-06", None]

    # A landing folder that has none of the earlier files is the wrong one.
    write(place / "elsewhere/call_logs/arrived_on=2026-03-06/x.jsonl", json_lines(record("x")))
    wrong = ("--landing", place / "elsewhere", "--through", "2026-03-06")
    ended = run_job(place, *wrong)
    assert ended.returncode == 2
    assert f"landing folder {place / 'elsewhere'} has none of the 1 file(s)" in ended.stderr
    assert waits["name"] in ended.stderr
    assert run_job(place, *wrong, "--dry-run").returncode == 2
    # Also if nothing is due: whoever looks at the exit code would think that all is well.
    ended = run_job(place, *wrong[:2], "--through", "2026-03-05")
    assert ended.returncode == 2
    assert last_run(place)["outcome"] == "failed"
    settle(place, "2026-03-05", *wrong[:2], "--archived")
    # The files themselves count, and not what they are called.
    shutil.copytree(place / "landing", place / "moved")
    call_logs = place / "moved/call_logs"
    (call_logs / "arrived_on=2026-03-05").rename(call_logs / "arrived_on=2026-03-20")
    shutil.rmtree(call_logs / "arrived_on=2026-03-04")
    settle(place, "2026-03-05", "--landing", place / "moved")
    assert manifest(place)["through"] == "2026-03-05"
    settle(place, "2026-03-06", "--landing", place / "elsewhere", "--archived")
    assert "loaded_files_are_unchanged" in last_run(place)["controls_failed"]
    settle(place, "2026-03-06", "--landing", place / "elsewhere")


def test_the_page_on_a_first_set_up_gives_the_bills_that_it_shows(tmp_path: Path) -> None:
    page = PAGES["first-setup"].read_text(encoding="utf-8")
    place = tmp_path / "acme"
    landing = place / "landing"
    init, *commands = re.findall(r"^callbill (.+)$", page, re.MULTILINE)
    assert init == "init acme"
    succeed(callbill(*init.split(), cwd=tmp_path))
    owner = "100000004002"
    for name, month, calls in (("june", "06", 10), ("july", "07", 20), ("august", "08", 30)):
        path = landing / f"call_logs/{name}.jsonl"
        assert f"landing/call_logs/{name}.jsonl\n" in page
        lines = json_lines(*calls_of_day(f"2026-{month}-15", calls, owner_uin=owner))
        undated(path, lines, "2026-09-02")
    [contracts] = re.findall(r"```\n(owner_uin,.*?)```\n", page, re.DOTALL)
    undated(landing / "contracts/contracts.csv", contracts.encode(), "2026-09-02")
    assert len(commands) == 5
    said = {}
    for command in commands:
        ended = callbill(*command.split(), cwd=place)
        assert ended.returncode == 0, ended.stderr
        said[command] = ended.stdout
    table = re.findall(r"^\| (2026-\d\d) \| (.+) \|$", page, re.MULTILINE)
    assert len(table) == 3
    for month, cells in table:
        row = [month, *cells.split(" | ")]
        for command in commands[:2]:
            assert row in [line.split() for line in said[command].splitlines()], (command, row)
    # The day on which the files were modified.
    assert all("--through 2026-09-02" in command for command in commands[:2])
    assert not any("left out of history" in said[command] for command in commands[:2])
    assert "0.90" in said[commands[3]]


def test_a_reader_that_gives_nothing_ends_with_the_files_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reads_nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(loading, "read_files", reads_nothing)
    with pytest.raises(
        CallbillError, match=r"reading call_logs/arrived_on=2026-03-03/a\.jsonl gave no outcome"
    ):
        load(tmp_path, {"call_logs/arrived_on=2026-03-03/a.jsonl": json_lines(record("a"))})
