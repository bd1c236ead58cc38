"""What a run tells: metrics, logs, bills, and what changed between two releases."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from callbill import __version__
from rich.cells import cell_len

from tests.support.commands import callbill, run_after, run_job
from tests.support.places import copy_of, manifest, places, query, unpublishable
from tests.support.shared import make_once
from tests.support.story import (
    OWNER,
    land,
    metrics,
    record,
)


@pytest.fixture(scope="module")
def unpublished(nightly: Path) -> Path:
    """One night later, of a run that ended with a control: its JSON logs are in `log`."""

    def make(folder: Path) -> None:
        place = copy_of(nightly, folder)
        land(place, "2026-03-07", record("m-1", "2026-03-06T10:00:00+08:00"), "not JSON")
        with unpublishable(place):
            ended = run_job(place, "--through", "2026-03-07", "--json-logs")
        assert (ended.returncode, ended.stdout) == (1, "")
        (folder / "log").write_text(ended.stderr)

    return make_once("story-unpublished", make)


def test_metrics_tell_of_the_last_run_and_the_last_that_went_well(
    nightly: Path, unpublished: Path, tmp_path: Path
) -> None:
    before = metrics(nightly)
    assert before["callbill_last_run_success", ""] == 1
    assert before["callbill_build_info", __version__] == 1
    sealed = datetime.fromtimestamp(before["callbill_sealed_through_timestamp_seconds", ""], UTC)
    assert sealed.date() == date(2026, 3, 6)
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
    assert before["callbill_lag_days", ""] == (today - sealed.date()).days
    steps = {label for name, label in before if name == "callbill_step_duration_seconds"}
    assert steps == {"ingest", "import", "build", "hash", "check", "publish"}
    place = copy_of(unpublished / "copy", tmp_path)
    after = metrics(place)
    assert after["callbill_last_run_success", ""] == 0
    assert after["callbill_controls_failed", "error"] == 1
    assert after["callbill_records_accepted", ""] == after["callbill_records_rejected", ""] == 1
    for name in ("callbill_last_success_timestamp_seconds", "callbill_lag_days"):
        assert after[name, ""] == before[name, ""]
    assert run_job(place, "--through", "2026-03-06").returncode == 0
    last = metrics(place)
    assert last["callbill_last_run_success", ""] == 1
    assert (
        last["callbill_last_success_timestamp_seconds", ""]
        > before["callbill_last_success_timestamp_seconds", ""]
    )


def test_json_logs_are_json_lines_and_nothing_else(next_night: Path, unpublished: Path) -> None:
    events = [json.loads(line) for line in (next_night / "log").read_text().splitlines()]
    assert {event["run_id"] for event in events} == {manifest(next_night / "copy")["run_id"]}
    assert [e["step"] for e in events if e["event"] == "step"] == [
        "ingest", "import", "build", "hash", "check", "publish",
    ]  # fmt: skip
    last = events[-1]
    assert (last["event"], last["outcome"], last["exit_code"]) == ("end", "published", 0)
    *events, last = map(json.loads, (unpublished / "log").read_text().splitlines())
    assert (last["event"], last["outcome"], last["exit_code"]) == ("end", "control_failed", 1)
    errors = [event for event in events if event["event"] == "error"]
    assert len(errors) == 1
    for error in errors:
        assert f"{error['control']} ({error['rows']} rows)" in last["message"]


def nobody_listens() -> None:
    for number in (1, 2):
        read, write = os.pipe()
        os.dup2(write, number)
        os.close(read)
        os.close(write)


def nothing_can_be_written() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, 1)
    os.dup2(full, 2)


@pytest.mark.parametrize(
    ("how", "form", "other"),
    [(nobody_listens, (), ("--json-logs",)), (nothing_can_be_written, ("--json-logs",), ())],
)
def test_a_log_that_nobody_reads_stops_no_run(
    how: Callable[[], None],
    form: tuple[str, ...],
    other: tuple[str, ...],
    nightly: Path,
    tmp_path: Path,
) -> None:
    place = copy_of(nightly, tmp_path)
    assert run_after(how, place, "--through", "2026-03-07", *form).returncode == 0
    assert manifest(place)["through"] == "2026-03-07"
    # In the other form, and with nothing due.
    assert run_after(how, place, "--through", "2026-03-07", *other).returncode == 0
    bill = ("bill", *places(place), f"--owner={OWNER}", "--month=2026-03")
    assert callbill(*bill, before=how).returncode == 4


def test_bill_shows_lines_settlements_and_the_adjustment(once: Path) -> None:
    shown = callbill("bill", *places(once), "--owner", OWNER, "--month", "2026-03").stdout
    for text in ("刊例价", "优惠后总价", " 60 ", " 51.3 ", "rerating", "0.10260000"):
        assert text in shown
    assert "deducted 0.21 − rated 0.20520000 = 0.00480000" in shown
    lines, settlements = (
        [" ".join(line.split()) for line in part.splitlines() if line.startswith("total")]
        for part in shown.split("Settlements")
    )
    assert lines == ["total 4 0.24000000 0.20520000"]
    assert settlements == ["total 0.20520000 0.21 0.00480000"]
    assert max(cell_len(line) for line in shown.splitlines()) <= 80
    wide = callbill("bill", *places(once), "--owner", OWNER, "--month", "2026-03", "--ids").stdout
    for text in ("优惠后单价", "60.00000000", "51.30000000"):
        assert text in wide


def test_where_there_is_no_bill_all_commands_say_so(once: Path, tmp_path: Path) -> None:
    nothing = "callbill: there is no bill of 2031-01"
    for command, says in (
        (("bill", "--owner=nobody"), f"{nothing} of account nobody\n"),
        (("export", f"--output={tmp_path}", "--owner=nobody"), f"{nothing} of account nobody\n"),
        (("export", f"--output={tmp_path}"), f"{nothing}\n"),
        (("verify",), f"{nothing}\n"),
    ):
        ended = callbill(*command, "--month=2031-01", *places(once))
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.endswith(says)
    assert list(tmp_path.iterdir()) == []


def test_a_bill_as_it_stood_on_a_date(once: Path) -> None:
    def shown(*arguments: str) -> str:
        ended = callbill("bill", "--owner", OWNER, "--month", "2026-03", *arguments, *places(once))
        assert ended.returncode == 0, ended.stderr
        return " ".join(ended.stdout.split())

    # Before the contract became known, and before the failure did.
    third = shown("--known-on", "2026-03-03")
    assert "as known on 2026-03-03" in third
    assert "deducted 0.18 − rated 0.18000000 = 0.00000000" in third
    assert "rerating" not in third
    fourth = shown("--known-on", "2026-03-04")
    assert "rerating" in fourth and "correction" not in fourth
    assert "deducted 0.21 − rated 0.20520000 = 0.00480000" in fourth
    # On the last day it is what it is without a date.
    last = shown("--known-on", "2026-03-06").replace(" as known on 2026-03-06", "")
    assert last == shown()
    ended = callbill(
        *("bill", "--owner", OWNER, "--month", "2026-03", "--known-on", "2026-02-01"),
        *places(once),
    )
    assert ended.returncode == 2
    assert f"no bill of 2026-03 of account {OWNER} as known on 2026-02-01" in ended.stderr
    ended = callbill(
        *("bill", "--owner", OWNER, "--month", "2026-03", "--known-on", "2026-03-07"),
        *places(once),
    )
    assert ended.returncode == 2
    assert "settled through 2026-03-06 only" in ended.stderr
    # The same for whoever writes SQL.
    for table in ("bill_lines", "settlements", "precision_adjustments", "monthly_bills"):
        known = f"from billing.{table}_known_on(date '2026-03-06')"
        assert query(once, f"{known} except all from billing.{table}") == []
        assert query(once, f"from billing.{table} except all {known}") == []
        assert query(once, known) != []


def test_runs_tells_how_each_ended(nightly: Path) -> None:
    shown = callbill("runs", *places(nightly)).stdout
    assert shown.count("published") == 5


def test_diff_tells_what_changed_between_two_releases(nightly: Path, tmp_path: Path) -> None:
    first, *_, last = sorted(path.name for path in (nightly / "published" / "releases").iterdir())
    ended = callbill("diff", first, last, *places(nightly))
    assert ended.returncode == 0, ended.stderr
    assert callbill("diff", "current", first, *places(nightly)).stdout == ended.stdout
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert [row[-1] for row in rows if "arrived_on=2026-03-05" in " ".join(row)] == ["2026-03-05"]
    assert ["2026-03-05", "correction", "1", "-1", "-0.05130000"] in rows
    # 4 of 5 calls at 51.30, of which one was taken back, instead of 2 at 60.
    assert ["2026-03", OWNER, "wimgs", "2", "4", "0.12", "0.21", "0.09"] in rows
    assert "Settlement dates sealed since: 4, 2026-03-03 to 2026-03-06." in ended.stdout
    assert "Every date that was sealed says what it said." in ended.stdout
    by = f"{getpass.getuser()}@"
    assert sum(by in row and "published" in row for row in map(" ".join, rows)) == 4


def test_diff_sees_a_sealed_date_that_is_another(nightly: Path, tmp_path: Path) -> None:
    place = copy_of(nightly, tmp_path)
    first = min(path.name for path in (place / "published" / "releases").iterdir())
    said = place / "published" / "releases" / first / "manifest.json"
    said.chmod(0o644)
    changed = json.loads(said.read_text())
    changed["settlement_hashes"]["2026-03-02"] = "another"
    said.write_text(json.dumps(changed))
    ended = callbill("diff", first, "current", *places(place))
    assert ended.returncode == 1
    assert "Sealed dates that are not what they were: 2026-03-02." in ended.stdout
    ended = callbill("diff", "1999", "current", *places(place))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "no release begins with '1999'" in ended.stderr
