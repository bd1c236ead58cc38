"""Files that were loaded, withdrawn or read again: the way out of a blocked night."""

from __future__ import annotations

import hashlib
import shutil
import signal
from datetime import date
from functools import partial
from pathlib import Path

import duckdb
import pytest

from tests.support.commands import callbill, run_after, run_job, succeed
from tests.support.disturbed import block, die
from tests.support.landing_files import csv_file, json_lines, parquet_file, record, write
from tests.support.places import (
    copy_of,
    manifest,
    places,
    query,
    query_warehouse,
)
from tests.support.project_copy import ProjectCopy
from tests.support.shared import make_once

OWNER = "100000000061"
FIRST, SECOND = date(2026, 3, 2), date(2026, 3, 3)
ENVELOPES = f"call_logs/arrived_on={FIRST}/format=envelope/envelopes.jsonl"
OTHER = "100000000062"
CONTRACTS = f"contracts/arrived_on={FIRST}/contracts.csv"
TABLE = f"call_logs/arrived_on={FIRST}/format=envelope/table"


def envelope(request_id: str, **fields: object) -> dict[str, object]:
    return {
        "called_at": "2026-03-01T10:00:00+08:00",
        "action": "SearchByText",
        "Response": {"RequestId": request_id},
        **fields,
    }


def flat(request_id: str, **fields: object) -> dict[str, object]:
    said = envelope(request_id, **fields)
    del said["Response"]
    return {**said, "Response.RequestId": request_id}


def rebuilt(place: Path, tmp_path: Path, project: ProjectCopy | None = None) -> Path:
    """A copy whose warehouse was lost and made again."""
    copy = copy_of(place, tmp_path)
    (copy / "warehouse.duckdb").unlink(missing_ok=True)
    options = {"project": project.folder} if project else {}
    ended = callbill("rebuild", *places(copy), **options)
    assert ended.returncode == 0, ended.stderr
    return copy


# --- read again ---


def edited(folder: Path, path: str, old: str, new: str) -> ProjectCopy:
    project = ProjectCopy.in_folder(folder)
    project.edit(f"pipelines/callbill/ingest/{path}", old, new)
    return project


ENVELOPE_OWNER = ("feeds/call_logs/shapes/envelope.yml", "owner_uin: [owner_uin]")


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    """A project whose shape knows another name of the account."""
    return edited(tmp_path_factory.mktemp("mended"), *ENVELOPE_OWNER, "owner_uin: [owner_uin, uin]")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    """A project that takes no discount of less than a tenth."""
    rule = ("feeds/contracts/judge.sql", "exact_discount <= 0\n", "exact_discount < 0.1\n")
    return edited(tmp_path_factory.mktemp("strict"), *rule)


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    """A project that would take lines which were rejected, and which nobody had read again."""
    names = "owner_uin: [owner_uin, uin, account]"
    return edited(tmp_path_factory.mktemp("lenient"), *ENVELOPE_OWNER, names)


@pytest.fixture(scope="module")
def retried(strict: ProjectCopy, mended: ProjectCopy) -> Path:
    return make_once("retried", lambda place: read_again(place, strict, mended))


def read_again(place: Path, strict: ProjectCopy, mended: ProjectCopy) -> None:
    lines = [
        envelope("e-1", owner_uin=OWNER),
        envelope("e-2", uin=OWNER),
        envelope("e-3", account=OWNER),
        envelope("e-4", uin=OWNER, called_at="2026-03-01T23:00:00+08:00"),
    ]
    write(place / "landing" / ENVELOPES, json_lines(*lines) + b"not JSON\n")
    table = [
        flat("t-1", owner_uin=OWNER, uin=None, memo='of "two"\nlines'),
        flat("t-2", owner_uin=None, uin=OWNER, memo=None),
    ]
    write(place / "landing" / f"{TABLE}.csv", csv_file(table))
    table = [{**row, "Response.RequestId": f"p-{n}"} for n, row in enumerate(table)]
    write(place / "landing" / f"{TABLE}.parquet", parquet_file(table))
    # Both lines of one contract: the last that is known counts.
    terms = {
        "owner_uin": OTHER, "component_code": "wimgs_search_by_text", "effective_from": "2026-01-01"
    }  # fmt: skip
    discounts = [{**terms, "discount": "0.05"}, {**terms, "discount": "0.5"}]
    write(place / "landing" / CONTRACTS, csv_file(discounts))
    other = record("o-1", owner_uin=OTHER, called_at="2026-03-01T09:00:00+08:00")
    write(place / "landing" / f"call_logs/arrived_on={FIRST}/other.jsonl", json_lines(other))
    empty = place / "landing" / f"call_logs/arrived_on={FIRST}/cut.parquet"
    empty.write_bytes(b"PAR1")
    assert strict.run_job(place, "--through", FIRST).returncode == 0
    # Read again, withdrawn and read again: as if it had been read again once.
    for path in (f"{TABLE}.parquet", CONTRACTS):
        for command in (("retry",), ("quarantine", "--reason=not yet")):
            ended = callbill(*command, path, *places(place), project=mended.folder)
            assert (ended.returncode, ended.stderr) == (0, "")
        assert "1 line(s) that were read again, and are rejected as before" in ended.stdout
    for path, said in {
        CONTRACTS: "of 1 line(s) read again 1 are accepted",
        ENVELOPES: "of 4 line(s) read again 2 are accepted",
        f"{TABLE}.csv": "of 1 line(s) read again 1 are accepted",
        f"{TABLE}.parquet": "of 1 line(s) read again 1 are accepted",
    }.items():
        name = path
        if path.endswith("csv"):
            name = hashlib.sha256((place / "landing" / path).read_bytes()).hexdigest()[:10]
        ended = callbill("retry", name, *places(place), project=mended.folder)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert said in ended.stdout
        assert f"settled from {SECOND} on" in ended.stdout
    ended = mended.run_job(place, "--through", SECOND)
    assert ended.returncode == 0, ended.stderr


def test_what_is_read_again_is_billed_on_the_first_open_date(retried: Path) -> None:
    lines = query(
        retried,
        "select settled_on, line_type, calls from billing.bill_lines"
        f" where owner_uin = '{OWNER}' order by all",
    )
    assert lines == [(FIRST, "usage", 3), (SECOND, "late_usage", 4)]


def test_a_contract_that_is_read_again_becomes_known_later(retried: Path) -> None:
    """Also if it is a line of the same contract and the same file, and an earlier one."""
    lines = query(
        retried,
        "select settled_on, line_type, calls, discount::varchar, line_id from billing.bill_lines"
        f" where owner_uin = '{OTHER}' order by settled_on, calls",
    )
    assert [line[:4] for line in lines] == [
        (FIRST, "usage", 1, "0.50000000"),
        (SECOND, "rerating", -1, "0.50000000"),
        (SECOND, "rerating", 1, "0.05000000"),
    ]
    for line, number in zip(lines, (3, 3, 2), strict=True):
        ended = callbill("explain", line[4], *places(retried))
        assert f"{CONTRACTS} line {number}" in ended.stdout


def test_counts_and_rejects_are_those_that_stay(retried: Path) -> None:
    counts = query(
        retried,
        "select path, lines_read, records_accepted, records_rejected, settlement_floor"
        " from ops.source_files order by path",
    )
    assert counts == [
        (f"call_logs/arrived_on={FIRST}/cut.parquet", 0, 0, 0, FIRST),
        (ENVELOPES, 5, 3, 2, FIRST),
        (f"{TABLE}.csv", 2, 2, 0, FIRST),
        (f"{TABLE}.parquet", 2, 2, 0, FIRST),
        (f"call_logs/arrived_on={FIRST}/other.jsonl", 1, 1, 0, FIRST),
        (CONTRACTS, 2, 2, 0, FIRST),
    ]
    rejects = query(
        retried, "select path, line_number, reason from ops.rejected_records order by all"
    )
    assert rejects == [
        (f"call_logs/arrived_on={FIRST}/cut.parquet", None, "unreadable_file"),
        (ENVELOPES, 3, "missing_owner_uin"),
        (ENVELOPES, 5, "invalid_json"),
    ]


def test_a_rebuild_judges_lines_as_they_were_judged(
    retried: Path, lenient: ProjectCopy, tmp_path: Path
) -> None:
    """Though the rules would accept more of them at once now."""
    copy = rebuilt(retried, tmp_path, lenient)
    with duckdb.connect(str(copy / "warehouse.duckdb"), read_only=True) as con:
        for said in (
            "select path, lines_read, records_accepted, records_rejected from ops.source_files",
            "select path, line_number, reason, fields from ops.rejected_records",
        ):
            again = con.execute(f"{said} order by all").fetchall()
            assert again == query(retried, f"{said} order by all")
        hashes = con.execute("select settled_on::varchar, content_hash from ops.settlement_hashes")
        assert dict(hashes.fetchall()) == manifest(retried)["settlement_hashes"]


def test_there_must_be_something_to_read_again(retried: Path, tmp_path: Path) -> None:
    place = copy_of(retried, tmp_path)
    for name, said in {
        f"{TABLE}.csv": "no line of",
        "call_logs/nothing.jsonl": "no file that was loaded is",
        "12345678": "no file that was loaded is",
    }.items():
        ended = callbill("retry", name, *places(place))
        assert (ended.returncode, ended.stdout) == (2, "")
        assert said in ended.stderr
    (place / "landing" / ENVELOPES).write_bytes(b"")
    ended = callbill("retry", ENVELOPES, *places(place))
    assert ended.returncode == 2
    assert "no longer in the landing folder as it was loaded" in ended.stderr


def test_the_bill_of_what_was_read_again_verifies(retried: Path, lenient: ProjectCopy) -> None:
    ended = callbill("verify", *places(retried), project=lenient.folder)
    assert (ended.returncode, ended.stderr.count("difference")) == (0, 0), ended.stderr


def test_lines_read_again_that_no_release_names_yet(
    retried: Path, lenient: ProjectCopy, tmp_path: Path
) -> None:
    """They can be withdrawn, and are then rejected as before; a rebuild keeps them."""
    place = copy_of(retried, tmp_path)

    def do(command: str, *options: str) -> None:
        ended = callbill(command, *options, *places(place), project=lenient.folder)
        assert (ended.returncode, "unexpected" in ended.stderr) == (0, False), ended.stderr

    def rejects() -> list[tuple]:
        with duckdb.connect(str(place / "warehouse.duckdb"), read_only=True) as con:
            return con.execute("from ops.rejected_records order by all").fetchall()

    before = rejects()
    # What a killed run leaves behind.
    (place / "warehouse.duckdb.files" / "scratch").mkdir(exist_ok=True)
    do("retry", ENVELOPES)
    assert len(rejects()) == len(before) - 1
    do("quarantine", ENVELOPES, "--reason=no")
    assert rejects() == before
    do("retry", ENVELOPES)
    do("rebuild")
    ended = lenient.run_job(place, "--through", "2026-03-04")
    assert ended.returncode == 0, ended.stderr
    lines = "select calls from billing.bill_lines where settled_on = '2026-03-04'"
    assert query(place, lines) == [(1,)]


def test_a_rebuild_by_rules_that_take_less_names_the_line(retried: Path, tmp_path: Path) -> None:
    place = copy_of(retried, tmp_path)
    ended = callbill("rebuild", *places(place))
    assert ended.returncode == 2
    said = f"2 line(s) of {ENVELOPES} that the current release counts are rejected by today's rules"
    assert f"{said}, line 2 (missing_owner_uin) among them" in ended.stderr


# --- withdrawn ---

WRONG = f"call_logs/arrived_on={SECOND}/wrong.jsonl"
CONTRACT = f"contracts/arrived_on={SECOND}/contract.csv"
EVENTS = f"account_events/arrived_on={SECOND}/events.jsonl"
# Before anything was sealed.
EARLY = f"call_logs/arrived_on={FIRST}/early.jsonl"
# After a release named them, their date not being due: a log of the day is due on the next.
DAY = f"call_logs/arrived_on={FIRST}/day.jsonl"
LATE = "call_logs/arrived_on=2026-03-05/late.jsonl"
LATE_CONTRACT = "contracts/arrived_on=2026-03-05/contract.csv"
# Before it was loaded.
NEVER = f"call_logs/arrived_on={SECOND}/never.jsonl"
WITHDRAWN = (EARLY, DAY, LATE, LATE_CONTRACT, WRONG, CONTRACT, EVENTS, NEVER)


@pytest.fixture(scope="module")
def withdrawn() -> Path:
    """A night that was blocked and one that was killed, after each of which files were
    withdrawn."""
    return make_once("withdrawn", withdraw_after_nights) / "place"


@pytest.fixture(scope="module")
def unnamed(withdrawn: Path) -> Path:
    """The same before the last night: no release names what was withdrawn last."""
    return withdrawn.parent / "before"


def billed(place: Path) -> list[tuple]:
    return query(place, "select request_id from billing.calls order by all")


def withdraw_after_nights(folder: Path) -> None:
    place = folder / "place"
    landing = place / "landing"

    def call(name: str, day: date) -> dict:
        return record(name, owner_uin=OWNER, called_at=f"{day}T09:00:00+08:00")

    def withdraw(*paths: str) -> None:
        for path in paths:
            ended = callbill("quarantine", path, "--reason", f"not ours: {path}", *places(place))
            assert (ended.returncode, ended.stderr) == (0, "")
            assert path in ended.stdout

    day_before = date(2026, 3, 1)
    first = f"call_logs/arrived_on={FIRST}/a.jsonl"
    write(landing / EARLY, json_lines(call("early", day_before)))
    write(landing / DAY, json_lines(call("wrong-day", FIRST), {"not": "one"}))
    write(landing / first, json_lines(call("a", day_before), call("day", FIRST)))
    write(landing / LATE, json_lines(call("late", date(2026, 3, 4))))
    terms = {"owner_uin": OWNER, "component_code": "wimgs_search_by_text", "discount": "0.5"}
    contract = csv_file([{**terms, "effective_from": "2026-03-01"}])
    write(landing / LATE_CONTRACT, contract)
    ended = run_after(block, place, "--through", "2026-03-05")
    assert ended.returncode == 1, ended.stderr
    withdraw(EARLY)
    ended = run_job(place, "--through", FIRST)
    assert ended.returncode == 0, ended.stderr
    assert billed(place) == [("a",)]
    assert query(place, "select calls from billing.bill_lines") == [(1,)]

    # One with a call of the day before is sealed already.
    refused = callbill("quarantine", first, "--reason=no", *places(place))
    assert (refused.returncode, "what is sealed never changes" in refused.stderr) == (2, True)
    withdraw(DAY, LATE, LATE_CONTRACT)
    assert callbill("verify", *places(place)).returncode == 0
    write(landing / f"call_logs/arrived_on={SECOND}/right.jsonl", json_lines(call("b", FIRST)))
    wrong = [call("b", FIRST) | {"error_code": "InternalError"}, call("c", FIRST), {"not": "one"}]
    write(landing / WRONG, json_lines(*wrong))
    write(landing / CONTRACT, contract + b"\n")
    event = {"event_id": "x", "owner_uin": OWNER, "occurred_at": "2026-03-02T00:00:00+08:00"}
    write(landing / EVENTS, json_lines({**event, "event_type": "recharge", "amount": "9"}))
    killed = partial(die, "callbill.jobs.settling", "build_models", "before")
    assert run_after(killed, place, "--through", SECOND).returncode == -signal.SIGKILL
    withdraw(WRONG, CONTRACT, EVENTS)
    write(landing / f"call_logs/arrived_on={SECOND}/again.jsonl", json_lines(*wrong))
    write(landing / NEVER, json_lines(call("never", FIRST)))
    withdraw(NEVER)
    shutil.copytree(place, folder / "before", symlinks=True)
    sealed = manifest(place)["settlement_hashes"]
    ended = run_job(place, "--through", SECOND)
    assert ended.returncode == 0, ended.stderr
    assert sealed.items() < manifest(place)["settlement_hashes"].items()


def test_what_is_withdrawn_does_not_count(withdrawn: Path) -> None:
    lines = query(
        withdrawn,
        "select settled_on, calls, contract_price::varchar from billing.bill_lines order by all",
    )
    assert lines == [(FIRST, 1, "60.00000000"), (SECOND, 2, "60.00000000")]
    assert query(withdrawn, "from billing.account_ledger") == []
    assert billed(withdrawn) == [("a",), ("b",), ("day",)]


def reasons(place: Path) -> dict[str, str]:
    loads = {load["path"]: load["quarantine_reason"] for load in manifest(place)["loads"]}
    return {path: reason for path, reason in loads.items() if reason}


def test_the_manifest_says_what_was_withdrawn_and_why(withdrawn: Path) -> None:
    assert reasons(withdrawn) == {path: f"not ours: {path}" for path in WITHDRAWN}
    outcomes = query(withdrawn, "select outcome, message from ops.runs order by run_id")
    assert ("quarantined", f"{WRONG}: not ours: {WRONG}") in outcomes


def test_the_bill_without_what_was_withdrawn_verifies(withdrawn: Path) -> None:
    ended = callbill("verify", *places(withdrawn))
    assert (ended.returncode, ended.stderr.count("difference")) == (0, 0), ended.stderr


@pytest.mark.parametrize("then", ["run", "rebuild"])
def test_a_rebuild_that_is_killed_forgets_nothing(unnamed: Path, tmp_path: Path, then: str) -> None:
    """Nor does it lose what it moved aside: the next command puts that back. And what no release
    names yet is remembered."""
    place = copy_of(unnamed, tmp_path)
    assert reasons(place) == {EARLY: f"not ours: {EARLY}"}
    killed = partial(die, "callbill.jobs.rebuild", "settle_dates", "before")
    ended = callbill("rebuild", *places(place), before=killed)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    if then == "rebuild":
        succeed(callbill("rebuild", *places(place)))
    succeed(run_job(place, "--through", SECOND))
    assert query(place, "select sum(calls) from billing.bill_lines") == [(3,)]
    assert reasons(place) == {path: f"not ours: {path}" for path in WITHDRAWN}
    assert not list(place.glob("*.replacing"))
    assert len(list(place.glob("*.replaced-*"))) == (then == "rebuild")


def test_what_was_withdrawn_stays_so_whatever_is_lost(withdrawn: Path, tmp_path: Path) -> None:
    """The warehouse and the files, without which it is rebuilt; and which come back under other
    names."""
    place = copy_of(withdrawn, tmp_path / "without")
    logs = (EARLY, DAY, LATE, WRONG, NEVER)
    for path in logs:
        (place / "landing" / path).rename(tmp_path / Path(path).name)
    (place / "landing" / EVENTS).unlink()
    place = rebuilt(place, tmp_path)
    lines = "select settled_on, calls from billing.bill_lines order by all"
    assert query_warehouse(place, lines) == [(FIRST, 1), (SECOND, 2)]
    for path in logs:
        name = Path(path).name
        (tmp_path / name).rename(place / "landing/call_logs" / name)
    succeed(run_job(place, "--through", "2026-03-07"))
    assert query(place, lines) == [(FIRST, 1), (SECOND, 2)]
    assert billed(place) == [("a",), ("b",), ("day",)]
    withdrawals = "select count(*) from ops.runs where outcome = 'quarantined'"
    assert query(place, withdrawals) == [(len(WITHDRAWN),)]
    # Of two files with the same bytes the other one is there.
    assert sorted(reasons(place).values()) == sorted(f"not ours: {path}" for path in WITHDRAWN)


def test_a_call_in_a_withdrawn_file_is_told_of(withdrawn: Path) -> None:
    ended = callbill("explain", "--request-id", "c", *places(withdrawn))
    assert f"Withdrawn: a record of it in {WRONG}: not ours: {WRONG}" in ended.stdout


def test_nothing_sealed_can_be_withdrawn(withdrawn: Path, tmp_path: Path) -> None:
    place = copy_of(withdrawn, tmp_path)
    for name, reason, said in (
        (f"call_logs/arrived_on={FIRST}/a.jsonl", "wrong", "what is sealed never changes"),
        (WRONG, "wrong", "was withdrawn already"),
        ("nothing", "wrong", "no file that was loaded is"),
        (f"call_logs/arrived_on={FIRST}/a.jsonl", " ", "--reason is empty"),
    ):
        ended = callbill("quarantine", name, f"--reason={reason}", *places(place))
        assert (ended.returncode, ended.stdout) == (2, "")
        assert said in ended.stderr
