"""Candidates: a release to look at before it is sealed."""

from __future__ import annotations

import json
import shutil
import signal
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import pytest

from tests.support.candidates import (
    a_candidate_waits,
    candidates,
    make_candidate,
    with_a_sealed_candidate,
)
from tests.support.commands import callbill, run_after, run_job, settle, succeed
from tests.support.disturbed import die
from tests.support.places import (
    copy_of,
    figures,
    last_run,
    manifest,
    places,
    query,
)
from tests.support.shared import make_once
from tests.support.story import (
    CONTRACT,
    OWNER,
    land,
    record,
    settled_before_the_last_night,
)


@pytest.fixture(scope="module")
def before() -> Path:
    """The story, sealed through 5 March."""
    return settled_before_the_last_night()


def published_meanwhile() -> Path:
    """With a run that published the same date."""

    def make(folder: Path) -> None:
        settle(copy_of(a_candidate_waits(), folder), "2026-03-06")

    return make_once("published-meanwhile", make) / "copy"


@pytest.fixture(scope="module")
def waiting() -> Path:
    return a_candidate_waits()


@pytest.fixture(scope="module")
def sealed() -> Path:
    return with_a_sealed_candidate()


LATE = "select settled_on::varchar, line_type from billing.bill_lines order by 1 desc limit 1"


@pytest.fixture
def two(waiting: Path, tmp_path: Path) -> Path:
    """With two candidates of the same dates."""

    def make(folder: Path) -> None:
        make_candidate(copy_of(waiting, folder))

    return copy_of(make_once("two-candidates", make) / "copy", tmp_path)


@pytest.fixture
def place(waiting: Path, tmp_path: Path) -> Path:
    return copy_of(waiting, tmp_path)


def test_a_candidate_is_everything_but_sealed(waiting: Path) -> None:
    assert manifest(waiting)["through"] == "2026-03-05"
    status = last_run(waiting)
    assert (status["outcome"], status["sealed_through"]) == ("candidate", "2026-03-05")
    [name] = candidates(waiting)
    assert status["message"] == f"`callbill seal {name}` seals it"
    folder = waiting / "published" / "candidates" / name
    assert json.loads((folder / "manifest.json").read_text())["through"] == "2026-03-06"
    assert (folder / "site" / "index.html").exists()


def test_a_sealed_candidate_is_the_release_that_a_run_would_have_made(
    sealed: Path, tmp_path: Path
) -> None:
    straight = published_meanwhile()
    assert last_run(straight)["settled_again_from"] is None
    assert figures(sealed) == figures(straight)
    # The file that came in the meantime is settled later.
    calls = "select count(*) from billing.calls where request_id like 'c-%'"
    assert query(sealed, calls) == [(1,)]
    assert candidates(sealed) == []
    assert last_run(sealed)["sealed_through"] == "2026-03-06"
    place = copy_of(sealed, tmp_path)
    for command in (("verify",), ("rebuild",)):
        succeed(callbill(*command, *places(place)))


def test_the_run_after_a_seal_goes_on_and_says_that_it_is_as_expected(
    sealed: Path, tmp_path: Path
) -> None:
    """With the warehouse that is behind. And it names as settled what it settled for the first
    time."""
    place = copy_of(sealed, tmp_path)
    before = manifest(place)["settlement_hashes"]
    ended = run_job(place, "--through", "2026-03-07")
    succeed(ended)
    assert before.items() < manifest(place)["settlement_hashes"].items()
    assert "made anew" not in ended.stdout + ended.stderr
    assert (
        "As expected after `callbill seal`, the dates from 2026-03-06 to 2026-03-06 were settled"
        " again: they say what they were sealed with."
    ) in ended.stdout
    assert "Settled 2026-03-07 to 2026-03-07." in ended.stdout
    status = last_run(place)
    assert (status["settle_from"], status["settled_again_from"]) == ("2026-03-07", "2026-03-06")
    runs = "select settle_from::varchar from ops.runs order by run_id desc limit 1"
    assert query(place, runs) == [("2026-03-07",)]
    assert query(place, LATE) == [("2026-03-07", "late_usage")]


@pytest.fixture(scope="module")
def first_sealed(unsealed: Path) -> Path:
    """The first candidate of all, sealed. What was said of it is in `said` beside the place. There
    is no warehouse yet, and an archive in the candidate has to be there for that."""

    def make(folder: Path) -> None:
        place = copy_of(unsealed, folder)
        [name] = candidates(place)
        archive = folder / "archive"
        (place / "landing" / ARCHIVE).rename(archive)
        refused = callbill("seal", name, *places(place))
        assert refused.returncode == 2
        assert f"{ARCHIVE}/a-1.jsonl is no longer there" in refused.stderr
        archive.rename(place / "landing" / ARCHIVE)
        ended = callbill("seal", name, *places(place))
        succeed(ended)
        assert not (place / "warehouse.duckdb").exists()
        (folder / "said").write_text(ended.stdout)

    return make_once("first-candidate-sealed", make) / "copy"


def test_the_first_candidate_of_all_is_asked_of_its_release_and_run_upon(
    first_sealed: Path, tmp_path: Path
) -> None:
    """What is archived has to be there for the candidate that loaded it, and no longer when the
    next one is sealed."""
    place = copy_of(first_sealed, tmp_path)
    sealed = manifest(place)
    assert sealed["through"] == "2026-03-02"
    found = query(place, "select count(*) from billing.calls where request_id = 'a-1'")
    assert found == [(1,)]
    runs = callbill("runs", *places(place))
    succeed(runs)
    assert sealed["run_id"] in runs.stdout
    rejects = callbill("rejects", *places(place))
    succeed(rejects)
    assert "arrived_on=2026-03-02/calls.jsonl" in rejects.stdout
    # Another on top, still without a warehouse.
    name = make_candidate(place, "2026-03-03")
    archive = tmp_path / "archive"
    (place / "landing" / ARCHIVE).rename(archive)
    succeed(callbill("seal", name, *places(place)))
    archive.rename(place / "landing" / ARCHIVE)
    ended = run_job(place, "--through", "2026-03-04")
    succeed(ended)
    assert "As expected after `callbill seal`, the dates from 2026-03-02 to 2026-03-03" in (
        ended.stdout
    )
    assert "Settled 2026-03-04 to 2026-03-04." in ended.stdout


def test_an_older_candidate_is_sealed_only_by_who_says_so(two: Path) -> None:
    """A file may have come in between that only the newer one has."""
    older, newer = candidates(two)
    current = (two / "published" / "current").readlink()
    refused = callbill("seal", older, *places(two))
    assert refused.returncode == 2
    assert f"candidate {older} is not the newest, {newer} is" in refused.stderr
    assert "--older" in refused.stderr
    assert (two / "published" / "current").readlink() == current
    assert candidates(two) == [older, newer]
    # One that was not finished is nothing to seal instead.
    (two / "published/candidates" / newer / "candidate.json").unlink()
    succeed(callbill("seal", older, *places(two)))
    assert manifest(two)["run_id"] == older
    assert candidates(two) == []


def test_an_older_candidate_can_be_sealed_all_the_same(two: Path) -> None:
    older, newer = candidates(two)
    ended = callbill("seal", older, "--older", *places(two))
    succeed(ended)
    assert f"Removed candidate {newer}" in ended.stdout
    assert manifest(two)["run_id"] == older


def test_what_the_run_of_a_candidate_warned_of_is_said_when_it_is_sealed_and_stays(
    unsealed: Path, first_sealed: Path
) -> None:
    before = last_run(unsealed)
    shown = (first_sealed.parent / "said").read_text()
    [left_out] = before["warnings"]
    assert "1 file(s) without a date are left out of history, call_logs/b.jsonl" in left_out
    for said in (
        f"Warning: {left_out}",
        "Waits: call_logs/b.jsonl",
        "Not read: call_logs/c.doc",
        "1 line(s) were rejected",
        "warning: successful_calls_are_rated: ",
    ):
        assert said in shown
    after = last_run(first_sealed)
    assert after["outcome"] == "published"
    assert after["sealed_through"] == "2026-03-02"
    of_the_seal = {"outcome", "message", "finished_at", "last_success_at", "sealed_through"}
    of_the_run = before.keys() - of_the_seal - {"step_seconds"}
    assert {key: after[key] for key in of_the_run} == {key: before[key] for key in of_the_run}
    metrics = (first_sealed / "published/status/callbill.prom").read_text()
    for line in (
        "callbill_files_not_read 1.0",
        "callbill_files_waiting 1.0",
        "callbill_records_rejected 1.0",
        'callbill_unbilled_calls{action="Unclaimed",reason="unrated"} 1.0',
    ):
        assert line in metrics
    failed = len(after["controls_failed"])
    assert f'callbill_controls_failed{{severity="warning"}} {failed}.0' in metrics


def test_a_seal_of_which_nothing_was_warned_says_nothing(sealed: Path) -> None:
    [line] = (sealed.parent / "said").read_text().splitlines()
    assert line.startswith("Sealed through 2026-03-06")


ARCHIVE = "call_logs/arrived_on=2026-03-02/calls.zip"


@pytest.fixture(scope="module")
def unsealed() -> Path:
    """A place with a candidate, in which nothing was published yet, and what its run said. Some of
    what landed deserves a warning, one file is in an archive."""

    def make(place: Path) -> None:
        warned = record("h-2", "2026-03-01T11:00:00+08:00", action="Unclaimed")
        land(place, "2026-03-02", warned, name="warned.jsonl")
        undated = place / "landing/call_logs/b.jsonl"
        undated.write_text(record("h-3", "2026-03-01T12:00:00+08:00") + "\n")
        (place / "landing/call_logs/c.doc").write_text("x")
        with zipfile.ZipFile(place / "landing" / ARCHIVE, "w") as packed:
            packed.writestr("a-1.jsonl", record("a-1", "2026-03-01T12:00:00+08:00"))
        good = record("c-1", "2026-03-01T10:00:00+08:00")
        land(place, "2026-03-02", good, "{", record("c-2", "2026-03-01T11:00:00+08:00"))
        contracts = place / "landing/contracts/arrived_on=2026-03-02/c.csv"
        contracts.parent.mkdir(parents=True)
        contracts.write_text(CONTRACT)
        ended = run_job(place, "--through", "2026-03-02", "--candidate")
        succeed(ended)
        (place / "said").write_text(ended.stdout)

    return make_once("unsealed-candidate", make)


def test_where_only_a_candidate_is_a_command_names_it_and_how_to_read_it(unsealed: Path) -> None:
    """To be sent to `callbill run` instead would be to seal what nobody has looked at."""
    [name] = candidates(unsealed)
    for command in (
        ("bill", f"--owner={OWNER}", "--month=2026-03"),
        ("rejects",),
        ("runs",),
        ("arrears",),
        ("explain", "0123"),
        ("export", "--month=2026-03"),
        ("reconcile",),
    ):
        ended = callbill(*command, *places(unsealed))
        assert ended.returncode == 2, command
        assert f"candidate {name} waits: read it with --candidate {name}" in ended.stderr, command
        assert "callbill run" not in ended.stderr


def test_commands_that_read_a_release_read_a_candidate(unsealed: Path, tmp_path: Path) -> None:
    [name] = candidates(unsealed)

    def read(*command: object) -> str:
        ended = callbill(*command, *places(unsealed), "--candidate", name[:18])
        succeed(ended)
        assert f"is of candidate {name[:18]}, not sealed yet" in ended.stderr
        return ended.stdout

    bill = read("bill", f"--owner={OWNER}", "--month=2026-03", "--ids")
    assert "2026-03-01" in bill
    assert "arrived_on=2026-03-02/calls.jsonl" in read("rejects")
    assert name in read("runs")
    assert read("arrears")
    assert "(1 rows)" in read("export", "--month=2026-03", f"--output={tmp_path}")
    pages = read("export", "--format=site", f"--owner={OWNER}", f"--output={tmp_path}")
    assert Path(pages.strip()).exists()
    folder = unsealed / "published/candidates" / name
    with duckdb.connect(str(folder / "callbill.duckdb"), read_only=True) as con:
        [(line_id,)] = con.execute("select line_id from billing.bill_lines").fetchall()
    line = read("explain", line_id[:10])
    assert line_id in line
    assert "Calls behind it: 3" in line
    assert "c-1" in line
    assert "once the candidate is sealed" in line
    call = read("explain", "--request-id", "c-2")
    assert "Request c-2 on 2026-03-02: billed" in call
    assert f"in line {line_id}" in call
    facts = json.loads(read("explain", line_id, "--json"))
    assert facts["price"]["calls_per_price_unit"] == 1000
    # Nothing of it is left, and the candidate is as it was.
    assert not (unsealed / "warehouse.duckdb").exists()
    other = callbill("rejects", *places(unsealed), "--candidate", "1999")
    assert other.returncode == 2
    assert "no candidate begins with '1999'" in other.stderr


def test_a_candidate_is_read_although_there_is_a_release(place: Path) -> None:
    [name] = candidates(place)
    asked = ("explain", "--request-id", "c-1", *places(place))
    assert "No record of request c-1" in callbill(*asked).stdout
    ended = callbill(*asked, "--candidate", name)
    succeed(ended)
    assert "Request c-1 on 2026-03-06: billed" in ended.stdout


def test_the_end_of_a_candidate_says_how_to_read_what_was_rejected(unsealed: Path) -> None:
    [name] = candidates(unsealed)
    said = (unsealed / "said").read_text()
    [line] = [line for line in said.splitlines() if "What was rejected" in line]
    command = line.partition(": callbill ")[2].split()
    assert command == ["rejects", "--candidate", name]
    rejected = callbill(*command, *places(unsealed))
    succeed(rejected)
    assert "arrived_on=2026-03-02/calls.jsonl" in rejected.stdout


def test_sealing_one_voids_the_others(two: Path) -> None:
    first, second = candidates(two)
    ended = callbill("seal", "2", *places(two))
    assert ended.returncode == 2
    assert f"several candidates begin with '2'; there are {first}, {second}" in ended.stderr
    ended = callbill("seal", second, *places(two))
    assert ended.returncode == 0, ended.stderr
    assert f"Removed candidate {first}" in ended.stdout
    assert candidates(two) == []


def add_price(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = place / "catalogue"
    from callbill.base.settings import PROJECT

    shutil.copytree(PROJECT / "seeds", catalogue)
    with (catalogue / "list_prices.csv").open("a") as stream:
        stream.write("wimgs_search_by_text,2026-03-08,2026-03-08,70\n")
    monkeypatch.setenv("CALLBILL_CATALOGUE", str(catalogue))


def edit_file(place: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    with (place / "landing/call_logs/arrived_on=2026-03-06/calls.jsonl").open("a") as stream:
        stream.write("{}\n")


def remove_file(place: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "landing/call_logs/arrived_on=2026-03-06/calls.jsonl").unlink()


def withdraw(place: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    file = "call_logs/arrived_on=2026-03-06/calls.jsonl"
    succeed(callbill("quarantine", file, "--reason=not ours", *places(place)))


def publish(place: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(place)
    shutil.copytree(published_meanwhile(), place, symlinks=True)


def change_var(_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBILL_VARS", "{max_usage_age_days: 30}")


def older_version(place: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    [name] = candidates(place)
    path = place / "published" / "candidates" / name / "manifest.json"
    content = json.loads(path.read_text())
    content["versions"]["callbill"] = "0.6.5"
    path.chmod(0o644)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (add_price, "70.00000000 is new in catalogue/list_prices.csv"),
        (edit_file, "arrived_on=2026-03-06/calls.jsonl has other bytes"),
        (remove_file, "arrived_on=2026-03-06/calls.jsonl is no longer there"),
        (withdraw, "calls.jsonl was withdrawn since"),
        (publish, "and the current release is "),
        (change_var, "var max_usage_age_days is 30, it was 62"),
        (older_version, "it was made by callbill 0.6.5; its file manifest.json is not as it was"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_candidate_of_which_something_changed_is_not_sealed(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path, pytest.MonkeyPatch], None],
    says: str,
) -> None:
    [name] = candidates(place)
    change(place, monkeypatch)
    current = (place / "published" / "current").readlink()
    ended = callbill("seal", name, *places(place))
    assert ended.returncode == 2
    assert says in ended.stderr
    assert (place / "published" / "current").readlink() == current
    assert candidates(place) == [name]


def test_a_file_that_another_run_loaded_meanwhile_is_settled_later(place: Path) -> None:
    """The warehouse has it with a floor that is sealed now, so it is moved away and made anew, as
    one that was lost after a seal."""
    [name] = candidates(place)
    late = record("c-3", "2026-03-05T12:00:00+08:00")
    land(place, "2026-03-06", late, name="late.jsonl")
    killed = partial(die, "callbill.jobs.settling", "build_models", "before")
    assert run_after(killed, place, "--through", "2026-03-06").returncode == -signal.SIGKILL
    ended = callbill("seal", name, *places(place))
    assert ended.returncode == 0, ended.stderr
    assert "The next run makes it anew" in ended.stdout
    assert not (place / "warehouse.duckdb").exists()
    ended = run_job(place, "--through", "2026-03-07")
    succeed(ended)
    assert "The warehouse did not have what is sealed, and was made anew" in ended.stdout
    assert "As expected" not in ended.stdout
    assert "Settled 2026-03-07 to 2026-03-07." in ended.stdout
    assert query(place, LATE) == [("2026-03-07", "late_usage")]
    lines = "select calls from billing.bill_lines where settled_on = date '2026-03-07'"
    assert query(place, lines) == [(1,)]
    succeed(callbill("verify", *places(place)))


def test_nothing_to_seal_is_one_sentence(before: Path) -> None:
    ended = callbill("seal", "2026", *places(before))
    assert ended.returncode == 2
    assert "no candidate begins with '2026'; there are none: `callbill run --candidate`" in (
        ended.stderr
    )
    both = callbill("run", "--dry-run", "--candidate", *places(before))
    assert both.returncode == 2
