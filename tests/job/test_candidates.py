"""Candidates: a release to look at before it is sealed."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import callbill, settle, succeed
from tests.support.places import copy_of, figures, last_run, manifest, places, query
from tests.support.shared import make_once
from tests.support.story import land, land_story, record


def make_candidate(place: Path, through: str = "2026-03-06") -> str:
    ended = callbill("run", *places(place), "--through", through, "--candidate")
    assert ended.returncode == 0, ended.stderr
    assert "Nothing is sealed yet: callbill seal " in ended.stdout
    return ended.stdout.split()[-1]


@pytest.fixture(scope="module")
def before() -> Path:
    """The story, sealed through 5 March."""

    def make(place: Path) -> None:
        land_story(place)
        settle(place, "2026-03-05")

    return make_once("before-candidates", make)


@pytest.fixture(scope="module")
def waiting() -> Path:
    """The same with a candidate through 6 March, that loaded a file."""

    def make(place: Path) -> None:
        land_story(place)
        settle(place, "2026-03-05")
        land(place, "2026-03-06", record("c-1", "2026-03-05T10:00:00+08:00"))
        make_candidate(place)

    return make_once("waiting-candidate", make)


@pytest.fixture
def place(waiting: Path, tmp_path: Path) -> Path:
    return copy_of(waiting, tmp_path)


def candidates(place: Path) -> list[str]:
    return sorted(path.name for path in (place / "published" / "candidates").iterdir())


def test_a_candidate_is_everything_but_sealed(place: Path) -> None:
    assert manifest(place)["through"] == "2026-03-05"
    status = last_run(place)
    assert (status["outcome"], status["sealed_through"]) == ("candidate", "2026-03-05")
    [name] = candidates(place)
    assert status["message"] == f"`callbill seal {name}` seals it"
    folder = place / "published" / "candidates" / name
    assert json.loads((folder / "manifest.json").read_text())["through"] == "2026-03-06"
    assert (folder / "site" / "index.html").exists()


def test_a_sealed_candidate_is_the_release_that_a_run_would_have_made(
    place: Path, tmp_path: Path
) -> None:
    straight = tmp_path / "straight"
    land_story(straight)
    land(straight, "2026-03-06", record("c-1", "2026-03-05T10:00:00+08:00"))
    for through in ("2026-03-05", "2026-03-06"):
        settle(straight, through)
    [name] = candidates(place)
    # Another file of that day comes in the meantime: it is settled later.
    land(place, "2026-03-06", record("c-2", "2026-03-05T11:00:00+08:00"), name="late.jsonl")
    ended = callbill("seal", name[:12], *places(place))
    assert ended.returncode == 0, ended.stderr
    assert "Sealed through 2026-03-06" in ended.stdout
    assert manifest(place)["run_id"] == name
    assert figures(place) == figures(straight)
    calls = "select count(*) from billing.calls where request_id like 'c-%'"
    assert query(place, calls) == [(1,)]
    assert candidates(place) == []
    assert last_run(place)["sealed_through"] == "2026-03-06"
    for command in (("verify",), ("rebuild",)):
        succeed(callbill(*command, *places(place)))
    settle(place, "2026-03-07")
    late = "select settled_on::varchar, line_type from billing.bill_lines order by 1 desc limit 1"
    assert query(place, late) == [("2026-03-07", "late_usage")]


def test_the_run_after_a_seal_goes_on_with_the_warehouse_that_is_behind(place: Path) -> None:
    [name] = candidates(place)
    succeed(callbill("seal", name, *places(place)))
    sealed = manifest(place)["settlement_hashes"]
    settle(place, "2026-03-07")
    assert sealed.items() < manifest(place)["settlement_hashes"].items()


def test_the_first_candidate_of_all_is_asked_of_its_release(tmp_path: Path) -> None:
    """There is no warehouse yet when it is sealed."""
    land(tmp_path, "2026-03-02", record("c-1", "2026-03-01T10:00:00+08:00"), "{")
    name = make_candidate(tmp_path, "2026-03-02")
    succeed(callbill("seal", name, *places(tmp_path)))
    assert not (tmp_path / "warehouse.duckdb").exists()
    runs = callbill("runs", *places(tmp_path))
    succeed(runs)
    assert name in runs.stdout
    rejects = callbill("rejects", *places(tmp_path))
    succeed(rejects)
    assert "arrived_on=2026-03-02/calls.jsonl" in rejects.stdout


def test_sealing_one_voids_the_others(place: Path) -> None:
    first, (second,) = candidates(place)[0], [make_candidate(place)]
    assert candidates(place) == [first, second]
    ended = callbill("seal", "2", *places(place))
    assert ended.returncode == 2
    assert f"several candidates begin with '2'; there are {first}, {second}" in ended.stderr
    ended = callbill("seal", second, *places(place))
    assert ended.returncode == 0, ended.stderr
    assert f"Removed candidate {first}" in ended.stdout
    assert candidates(place) == []


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
    settle(place, "2026-03-06")


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
    """The warehouse has it with a floor that is sealed now, so it is made anew."""
    [name] = candidates(place)
    late = record("c-3", "2026-03-05T12:00:00+08:00")
    land(place, "2026-03-06", late, name="late.jsonl")
    from tests.support.commands import run_job
    from tests.support.places import unpublishable

    with unpublishable(place):
        assert run_job(place, "--through", "2026-03-06").returncode == 1
    ended = callbill("seal", name, *places(place))
    assert ended.returncode == 0, ended.stderr
    assert "The next run makes it anew" in ended.stdout
    settle(place, "2026-03-07")
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


def test_a_candidate_of_archives_can_be_sealed(before: Path, tmp_path: Path) -> None:
    place = copy_of(before, tmp_path)
    archive = place / "landing/call_logs/arrived_on=2026-03-06/calls.zip"
    archive.parent.mkdir(parents=True)
    line = record("c-3", "2026-03-05T12:00:00+08:00")
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("calls.jsonl", line)
    name = make_candidate(place)
    succeed(callbill("seal", name, *places(place)))
    assert manifest(place)["through"] == "2026-03-06"
    found = query(place, "select count(*) from billing.calls where request_id = 'c-3'")
    assert found == [(1,)]
    name = make_candidate(place, "2026-03-07")
    archive.unlink()
    succeed(callbill("seal", name, *places(place)))  # sealed before: it is not needed
