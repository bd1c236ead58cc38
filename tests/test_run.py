"""The job as a scheduler sees it: running again, by another road, in bad circumstances."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from callbill import __version__
from callbill.release.release import RUN_ID
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.conftest import (
    CALLBILL,
    PROJECT,
    ProjectCopy,
    callbill,
    copy_of,
    figures,
    manifest,
    places,
    query,
    run_after,
    run_job,
    unpublishable,
)

OWNER = "100000000071"


def record(request_id: str, called_at: str, **fields: object) -> str:
    said = {
        "request_id": request_id,
        "called_at": called_at,
        "owner_uin": OWNER,
        "action": "SearchByText",
        "http_status": 200,
        **fields,
    }
    return json.dumps(said)


def land(place: Path, arrived_on: str, *lines: str, name: str = "calls.jsonl") -> Path:
    folder = place / "landing" / "call_logs" / f"arrived_on={arrived_on}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join(line + "\n" for line in lines))
    return path


def status(place: Path) -> dict:
    return json.loads((place / "published" / "status" / "last_run.json").read_text())


# Calls with a history: charged, delivered again, reversed, late, under a contract known late.
STORY = {
    "2026-03-02": [
        record("s-1", "2026-03-01T10:00:00+08:00"),
        record("s-2", "2026-03-01T11:00:00+08:00"),
        record("s-2", "2026-03-01T11:00:00+08:00"),
    ],
    "2026-03-03": [
        record("s-1", "2026-03-01T10:00:00+08:00"),
        record("s-3", "2026-03-02T23:59:59+08:00"),
        record("s-4", "2026-03-03T00:10:00+08:00"),
    ],
    "2026-03-05": [
        record("s-2", "2026-03-01T11:00:01+08:00", error_code="InternalError"),
        record("s-5", "2026-03-01T09:00:00+08:00"),
    ],
}
CONTRACT = "owner_uin,component_code,effective_from,effective_to,discount,contract_price\n" + (
    f"{OWNER},wimgs_search_by_text,2026-03-01,,0.855,\n"
)


def land_story(place: Path) -> None:
    for arrived_on, lines in STORY.items():
        land(place, arrived_on, *lines)
    folder = place / "landing" / "contracts" / "arrived_on=2026-03-04"
    folder.mkdir(parents=True)
    (folder / "contracts.csv").write_text(CONTRACT)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story settled in one run."""
    place = tmp_path_factory.mktemp("once")
    land_story(place)
    ended = run_job(place, "--through", "2026-03-06")
    assert ended.returncode == 0, ended.stderr
    return place


@pytest.fixture(scope="module")
def nightly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story settled day by day, with a reader that holds the first release open."""
    place = tmp_path_factory.mktemp("nightly")
    land_story(place)
    reader = None
    for day in range(2, 7):
        ended = run_job(place, "--through", f"2026-03-0{day}")
        assert ended.returncode == 0, ended.stderr
        if reader is None:
            database = place / "published" / "current" / "callbill.duckdb"
            reader = subprocess.Popen(
                [sys.executable, "-c", READER, str(database)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert reader.stdout is not None
            assert reader.stdout.readline() == "3\n"
    assert reader is not None
    out, _ = reader.communicate("again\n", timeout=60)
    assert out == "3\n"
    return place


READER = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
print(con.execute("select sum(records) from billing.calls").fetchone()[0], flush=True)
sys.stdin.readline()
print(con.execute("select sum(records) from billing.calls").fetchone()[0], flush=True)
"""


def test_the_story_says_what_a_person_works_out(once: Path) -> None:
    lines = query(
        once,
        """
        select settled_on, usage_date, line_type, calls, real_cost::varchar
        from billing.bill_lines order by all
        """,
    )
    d = date.fromisoformat
    assert lines == [
        # s-1 and s-2 on their day
        (d("2026-03-02"), d("2026-03-01"), "usage", 2, "0.12000000"),
        # s-3; s-1 again is a duplicate, s-4 was used on the 3rd and waits for the 4th
        (d("2026-03-03"), d("2026-03-02"), "usage", 1, "0.06000000"),
        # the contract: 60 × 0.855 = 51.3 for what was charged at 60, and for s-4 from the start
        (d("2026-03-04"), d("2026-03-01"), "rerating", -2, "-0.12000000"),
        (d("2026-03-04"), d("2026-03-01"), "rerating", 2, "0.10260000"),
        (d("2026-03-04"), d("2026-03-02"), "rerating", -1, "-0.06000000"),
        (d("2026-03-04"), d("2026-03-02"), "rerating", 1, "0.05130000"),
        (d("2026-03-04"), d("2026-03-03"), "usage", 1, "0.05130000"),
        # s-2 turned out to have failed, s-5 is late
        (d("2026-03-05"), d("2026-03-01"), "correction", -1, "-0.05130000"),
        (d("2026-03-05"), d("2026-03-01"), "late_usage", 1, "0.05130000"),
    ]
    settlements = query(
        once,
        "select settled_on, rated_amount::varchar, deducted_amount::varchar"
        " from billing.settlements order by 1",
    )
    assert settlements == [
        (d("2026-03-02"), "0.12000000", "0.12"),
        (d("2026-03-03"), "0.06000000", "0.06"),
        # -0.12 + 0.1026 - 0.06 + 0.0513 + 0.0513
        (d("2026-03-04"), "0.02520000", "0.03"),
        (d("2026-03-05"), "0.00000000", "0.00"),
    ]
    [adjustment] = query(
        once,
        "select rated_amount::varchar, deducted_amount::varchar, adjustment_amount::varchar,"
        " is_final from billing.precision_adjustments",
    )
    assert adjustment == ("0.20520000", "0.21", "0.00480000", False)


def test_a_sealed_date_names_the_run_that_sealed_it(once: Path, nightly: Path) -> None:
    sealed_by = "select count(distinct run_id) from ops.sealed_settlements"
    assert query(once, sealed_by) == [(1,)]
    assert query(nightly, sealed_by) == query(
        nightly, "select count(*) from ops.sealed_settlements"
    )


def test_day_by_day_and_at_once_give_the_same_tables(once: Path, nightly: Path) -> None:
    assert figures(nightly) == figures(once)


def test_a_reader_keeps_the_release_it_opened(nightly: Path) -> None:
    # Asserted in the fixture: the reader saw the same before and after four more releases.
    assert len(list((nightly / "published" / "releases").iterdir())) == 5


def test_a_night_publishes_links_to_the_calls_of_sealed_dates(nightly: Path) -> None:
    first, *_others, last = sorted((nightly / "published" / "releases").iterdir())
    part = "parquet/calls/settled_on=2026-03-02"
    [before], [after] = list((first / part).iterdir()), list((last / part).iterdir())
    assert before.samefile(after)


def test_parquet_copies_equal_the_tables(once: Path) -> None:
    release = once / "published" / "current"
    with duckdb.connect(str(release / "callbill.duckdb"), read_only=True) as con:
        for table in (
            "daily_usage", "bill_lines", "settlements", "precision_adjustments", "monthly_bills",
        ):  # fmt: skip
            copy = f"read_parquet('{release}/parquet/{table}.parquet')"
            for one, other in ((copy, f"billing.{table}"), (f"billing.{table}", copy)):
                assert con.execute(f"from {one} except all from {other}").fetchall() == []
            described = [
                con.execute(f"describe from {s}").fetchall() for s in (copy, f"billing.{table}")
            ]
            assert [r[:2] for r in described[0]] == [r[:2] for r in described[1]]
        calls = f"read_parquet('{release}/parquet/calls/*/*.parquet')"
        assert con.execute(f"from {calls} except all from billing.calls").fetchall() == []
        assert con.execute("select count(*) from billing.calls").fetchall() == [(7,)]


def test_running_again_changes_nothing(once: Path) -> None:
    before = (once / "published" / "current").resolve()
    ended = run_job(once, "--through", "2026-03-06")
    assert ended.returncode == 0
    assert "Nothing due" in ended.stdout
    assert (once / "published" / "current").resolve() == before
    assert status(once)["outcome"] == "nothing_due"
    # An earlier date neither.
    assert run_job(once, "--through", "2026-03-01").returncode == 0
    assert (once / "published" / "current").resolve() == before


def test_a_lost_warehouse_is_made_again_from_landing_and_release(
    once: Path, tmp_path: Path
) -> None:
    place = copy_of(once, tmp_path)
    # Its file is lost; what lay beside it is not counted twice.
    (place / "warehouse.duckdb").unlink()
    # Files put back today seem to arrive later than they did.
    for path in (place / "landing").rglob("*.jsonl"):
        os.utime(path)
    ended = run_job(place, "--through", "2026-03-07")
    assert ended.returncode == 0, ended.stderr
    before, after = figures(once), figures(place)
    assert after["settlement_hashes"].pop("2026-03-07")
    assert after["settlement_hashes"] == before["settlement_hashes"]
    assert after["table_hashes"] == before["table_hashes"]


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


def test_a_dry_run_leaves_no_trace(nightly: Path, tmp_path: Path) -> None:
    place = copy_of(nightly, tmp_path)
    land(place, "2026-03-07", record("dry-1", "2026-03-06T10:00:00+08:00"))
    before = entries(place)
    ended = run_job(place, "--through", "2026-03-07", "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "2026-03-07" in ended.stdout
    assert entries(place) == before


def test_a_second_run_is_turned_away_and_told_by_whom(tmp_path: Path) -> None:
    land_story(tmp_path)
    callbill("--version")  # so that the second is not too late
    job = subprocess.Popen(
        [CALLBILL, "run", *places(tmp_path), "--through", "2026-03-06"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (tmp_path / "warehouse.duckdb").exists():
            time.sleep(0.05)
        second = run_job(tmp_path, "--through", "2026-03-06")
    finally:
        job.kill()
        job.wait()
    assert second.returncode == 3
    assert f"process {job.pid}" in second.stderr
    assert f"process {job.pid}" in status(tmp_path)["message"]


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
        told = run_job(tmp_path, *arguments, "--json-logs")
        assert told.returncode == 2
        [event] = map(json.loads, told.stderr.splitlines())
        assert (event["event"], event["exit_code"], event["outcome"]) == ("end", 2, "failed")
        assert says in event["message"]


def test_a_limit_of_memory_is_a_number_and_a_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "landing").mkdir()
    for text in ("banana", "0", "100%", "", "-1", "1.5.GB", "1KB", "99999999999999999999TB"):
        monkeypatch.setenv("CALLBILL_MEMORY_LIMIT", text)
        ended = run_job(tmp_path)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "memory_limit" in ended.stderr
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


def metrics(place: Path) -> dict[tuple[str, str], float]:
    text = (place / "published" / "status" / "callbill.prom").read_text()
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_tell_of_the_last_run_and_the_last_that_went_well(
    nightly: Path, tmp_path: Path
) -> None:
    place = copy_of(nightly, tmp_path)
    before = metrics(place)
    assert before["callbill_last_run_success", ""] == 1
    assert before["callbill_build_info", __version__] == 1
    sealed = datetime.fromtimestamp(before["callbill_sealed_through_timestamp_seconds", ""], UTC)
    assert sealed.date() == date(2026, 3, 6)
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
    assert before["callbill_lag_days", ""] == (today - sealed.date()).days
    steps = {label for name, label in before if name == "callbill_step_duration_seconds"}
    assert steps == {"ingest", "import", "build", "hash", "check", "publish"}
    land(place, "2026-03-07", record("m-1", "2026-03-06T10:00:00+08:00"), "not JSON")
    with unpublishable(place):
        assert run_job(place, "--through", "2026-03-07").returncode == 1
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


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_units_for_systemd_are_right(tmp_path: Path) -> None:
    for name in ("callbill.service", "callbill.timer"):
        text = (PROJECT / "deploy" / name).read_text()
        here = text.replace("/opt/callbill/.venv/bin/callbill", str(CALLBILL))
        (tmp_path / name).write_text(here)
    units = sorted(tmp_path.iterdir())
    ended = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_json_logs_are_json_lines_and_nothing_else(nightly: Path, tmp_path: Path) -> None:
    place = copy_of(nightly, tmp_path)
    ended = run_job(place, "--through", "2026-03-07", "--json-logs")
    assert ended.returncode == 0
    assert ended.stdout == ""
    events = [json.loads(line) for line in ended.stderr.splitlines()]
    assert {event["run_id"] for event in events} == {manifest(place)["run_id"]}
    assert [e["step"] for e in events if e["event"] == "step"] == [
        "ingest", "import", "build", "hash", "check", "publish",
    ]  # fmt: skip
    last = events[-1]
    assert (last["event"], last["outcome"], last["exit_code"]) == ("end", "published", 0)
    with unpublishable(place):
        failed = run_job(place, "--through", "2026-03-08", "--json-logs")
    assert (failed.returncode, failed.stdout) == (1, "")
    *events, last = map(json.loads, failed.stderr.splitlines())
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


@pytest.mark.parametrize("how", [nobody_listens, nothing_can_be_written])
def test_a_log_that_nobody_reads_stops_no_run(
    how: Callable[[], None], nightly: Path, tmp_path: Path
) -> None:
    place = copy_of(nightly, tmp_path)
    for through, more in (("2026-03-07", ()), ("2026-03-08", ("--json-logs",))):
        assert run_after(how, place, "--through", through, *more).returncode == 0
        assert manifest(place)["through"] == through
    assert (
        callbill("bill", *places(place), "--owner=1", "--month=2026-03", before=how).returncode == 4
    )


def test_what_is_no_release_is_left_alone(
    nightly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = copy_of(nightly, tmp_path)
    releases = place / "published" / "releases"
    for name in ("notes", "2026", "zzz"):
        (releases / name).mkdir()
    last = (place / "published" / "current").resolve()
    # A run that was killed while it wrote its release.
    after = datetime.strptime(last.name, RUN_ID) + timedelta(microseconds=1)  # noqa: DTZ007
    (releases / after.strftime(RUN_ID)).mkdir()
    monkeypatch.setenv("CALLBILL_KEEP_RELEASES", "2")
    assert run_job(place, "--through", "2026-03-07").returncode == 0
    kept = sorted(path.name for path in releases.iterdir())
    assert len(kept) == 2 + 3
    assert last.name in kept


def test_bill_shows_lines_settlements_and_the_adjustment(once: Path) -> None:
    shown = callbill("bill", *places(once), "--owner", OWNER, "--month", "2026-03").stdout
    for text in ("刊例价", "优惠后单价", "60.00000000", "51.30000000", "rerating", "0.10260000"):
        assert text in shown
    assert "deducted 0.21 − rated 0.20520000 = 0.00480000" in shown
    assert (
        "has no bill"
        in callbill("bill", *places(once), "--owner", "nobody", "--month", "2026-03").stdout
    )


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
    assert "no bill" in shown("--known-on", "2026-02-01")
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


def test_a_price_that_is_edited_is_refused_and_one_that_is_added_counts_from_now_on(
    nightly: Path, tmp_path: Path
) -> None:
    place = copy_of(nightly, tmp_path)
    project = ProjectCopy.in_folder(tmp_path / "project")
    seed = project.folder / "seeds" / "list_prices.csv"
    prices = seed.read_text()

    def run() -> subprocess.CompletedProcess[str]:
        return project.run_job(place, "--through", "2026-03-07")

    # An edited row is a row taken away and another added.
    seed.write_text(prices.replace("60.00000000", "61.00000000"))
    ended = run()
    assert ended.returncode == 2
    assert "list_prices.csv" in ended.stderr
    # Known from a sealed date on, which counts from now on: a re-rating of what was used since, on
    # the new date only.
    seed.write_text(prices + "wimgs_search_by_text,2026-03-02,2026-03-05,70\n")
    ended = run()
    assert ended.returncode == 0, ended.stderr
    lines = query(
        place,
        "select usage_date, calls, list_price::varchar, contract_price::varchar"
        " from billing.bill_lines where settled_on = date '2026-03-07' order by all",
    )
    d = date.fromisoformat
    assert lines == [
        (d("2026-03-02"), -1, "60.00000000", "51.30000000"),
        (d("2026-03-02"), 1, "70.00000000", "59.85000000"),
        (d("2026-03-03"), -1, "60.00000000", "51.30000000"),
        (d("2026-03-03"), 1, "70.00000000", "59.85000000"),
    ]


def entries(place: Path) -> dict[str, tuple[int, int]]:
    """All files by size and time, locks left out."""
    return {
        str(path.relative_to(place)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in place.rglob("*")
        if path.is_file() and ".lock" not in path.name
    }
