"""Landing files that were archived: what stands for them, and what can no longer be computed."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.commands import callbill, succeed
from tests.support.places import copy_of, figures, last_run, lose_warehouse, manifest, query
from tests.support.shared import make_once
from tests.support.story import CONTRACT, OWNER, land, record

# So that nights of one week reach past both.
VARS = "max_usage_age_days = 3\ndedup_horizon_days = 5\n"
FAILED = {"error_code": "InternalError"}
ANNOUNCEMENT = "call_logs/arrived_on=2026-03-05/calls.jsonl.manifest.json"


def used(day: int, minute: int = 0) -> str:
    return f"2026-03-{day:02d}T10:{minute:02d}:00+08:00"


def calls(letter: str, day: int, count: int = 4) -> list[str]:
    return [record(f"{letter}-{n}", used(day, n)) for n in range(count)]


def run(place: Path, through: str, *options: object) -> str:
    ended = callbill("run", "--through", through, *options, cwd=place)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def refused(place: Path, *command: object) -> str:
    ended = callbill(*command, cwd=place)
    assert ended.returncode == 2, ended.stdout
    return ended.stderr


def land_week(place: Path) -> None:
    land(place, "2026-03-02", *calls("a", 1))
    land(place, "2026-03-03", *calls("b", 2), '{"request_id": "cut')
    folder = place / "landing/call_logs/arrived_on=2026-03-04"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "calls.zip", "w") as archive:
        archive.writestr("c.jsonl", "\n".join([*calls("c", 3), record("b-3", used(2, 3))]))
    land(place, "2026-03-05", *calls("d", 4), record("a-3", used(1, 3)))
    announcement = place / "landing" / ANNOUNCEMENT
    announcement.write_text('{"records": 5}')
    for feed, name, content in (
        ("contracts", "contracts.csv", CONTRACT),
        (
            "account_events",
            "events.jsonl",
            json.dumps(
                {
                    "event_id": "e-1",
                    "owner_uin": OWNER,
                    "occurred_at": used(2),
                    "event_type": "recharge",
                    "amount": "10.00",
                }
            ),
        ),
    ):
        folder = place / f"landing/{feed}/arrived_on=2026-03-03"
        folder.mkdir(parents=True)
        (folder / name).write_text(content)


def make_week(folder: Path, toml: str = "") -> Path:
    place = folder / "acme"
    succeed(callbill("init", "acme", cwd=folder))
    settings = place / "callbill.toml"
    settings.write_text(toml + settings.read_text() + VARS)  # the last table is `vars`
    land_week(place)
    run(place, "2026-03-06")
    return place


def archive(place: Path, *options: object, before: str = "2026-03-06") -> str:
    ended = callbill("archive", "--before", before, *options, cwd=place)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


# Of what was delivered again: `a` was settled 5 and 7 days before, which is within the horizon of 5
# days and beyond it; both are too old to be charged.
NIGHTS: dict[str, list[str]] = {
    "2026-03-07": [
        record("a-1", used(1, 1)),
        record("b-1", used(2, 1), **FAILED),
        record("d-1", used(4, 1)),
        record("e-1", used(5)),
    ],
    "2026-03-09": [
        record("a-2", used(1, 2)),
        record("a-3", used(1, 3), **FAILED),
        record("c-2", used(3, 2), **FAILED),
        record("d-2", used(4, 2), **FAILED),
        record("e-1", used(5), **FAILED),
        record("f-1", used(8)),
    ],
}


FIRST_NIGHT, SECOND_NIGHT = NIGHTS
FROM_CHECKPOINT = "the warehouse was made from the checkpoint"


def settle_night(place: Path, day: str) -> str:
    land(place, day, *NIGHTS[day])
    return run(place, day)


@pytest.fixture(scope="module")
def week() -> Path:
    """A place with a week of calls, sealed through 6 March."""
    return make_once("week", make_week) / "acme"


@pytest.fixture(scope="module")
def archived_week(week: Path) -> Path:
    """The same, with all call logs in a folder beside the place. As if archiving had stopped before
    the first file was moved, and was begun again."""

    def make(folder: Path) -> None:
        place = shutil.copytree(week, folder / "acme", symlinks=True)
        archive(place)
        (folder / "said").write_text(archive(place, "--to", folder / "archive"))

    return make_once("archived-week", make) / "acme"


@pytest.fixture(scope="module")
def next_day(archived_week: Path) -> Path:
    """The archived week one night later. What a run before that night said, when nothing had landed
    since, is in `said` beside the place."""

    def make(folder: Path) -> None:
        place = copy_of(archived_week, folder)
        (folder / "said").write_text(run(place, "2026-03-06"))
        assert FROM_CHECKPOINT not in " ".join(settle_night(place, FIRST_NIGHT).split())

    return make_once("archived-week-next-day", make) / "copy"


@pytest.fixture(scope="module")
def anew(archived_week: Path) -> Path:
    """A folder with the archived week after both nights, of which the first made its warehouse anew
    from the checkpoint, and its figures after each."""

    def make(folder: Path) -> None:
        place = copy_of(archived_week, folder)
        (place / "warehouse.duckdb").unlink()
        for day in NIGHTS:
            said = " ".join(settle_night(place, day).split())
            assert (FROM_CHECKPOINT in said) == (day == FIRST_NIGHT)
            (folder / day).write_text(json.dumps(figures(place)))

    return make_once("archived-week-anew", make)


@pytest.fixture
def plain(week: Path, tmp_path: Path) -> Path:
    return copy_of(week, tmp_path / "plain")


@pytest.fixture
def place(archived_week: Path, tmp_path: Path) -> Path:
    return copy_of(archived_week, tmp_path)


@pytest.fixture(scope="module")
def expected(week: Path) -> dict[str, dict[str, Any]]:
    """The figures after each night where nothing was archived."""

    def make(folder: Path) -> None:
        place = copy_of(week, folder)
        for day in NIGHTS:
            settle_night(place, day)
            (folder / day).write_text(json.dumps(figures(place)))
            shutil.copytree(place, folder / f"after-{day}", symlinks=True)

    folder = make_once("week-without-archive", make)
    return {day: json.loads((folder / day).read_text()) for day in NIGHTS}


def not_archived(day: str) -> Path:
    """The place after a night, in which nothing was archived."""
    return make_once("week-without-archive", lambda _folder: None) / f"after-{day}"


def rebuild(place: Path) -> str:
    ended = callbill("rebuild", cwd=place)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_nights_reach_into_what_was_archived(expected: dict[str, dict[str, Any]]) -> None:
    """Else the tests below would show less than they seem to."""
    found = dict(
        query(
            not_archived("2026-03-09"),
            "select request_id, list(disposition order by settled_on) from billing.calls"
            " where settled_on > date '2026-03-06' or request_id like 'a-%'"
            " group by request_id",
        )
    )
    assert found["a-1"] == ["billed", "duplicate"]
    assert found["a-2"] == ["billed", "too_old"]
    assert found["b-1"] == found["c-2"] == ["reversed"]
    # Linked by its second record alone, which was too old to be charged.
    assert found["a-3"] == ["billed", "duplicate", "reversed"]
    assert expected.keys() == NIGHTS.keys()


def test_late_records_of_archived_calls_come_to_the_same(
    next_day: Path, expected: dict[str, dict[str, Any]]
) -> None:
    assert figures(next_day) == expected[FIRST_NIGHT]


def test_a_warehouse_that_was_made_of_the_checkpoint_goes_on_as_any(
    anew: Path, expected: dict[str, dict[str, Any]]
) -> None:
    for day in NIGHTS:
        assert json.loads((anew / day).read_text()) == expected[day]
    check_verified(anew / "copy")


def check_verified(place: Path) -> None:
    said = callbill("verify", cwd=place)
    assert said.returncode == 0, said.stderr
    assert "4 files are archived and away. Their 18 records" in said.stdout
    assert "checkpoint through 2026-03-06" in said.stdout


def test_with_calls_in_buckets_it_is_the_same(
    tmp_path: Path, expected: dict[str, dict[str, Any]]
) -> None:
    """Both nights at once."""
    place = make_week(tmp_path, "buckets = 2\n")
    archive(place, "--to", tmp_path / "archive")
    lose_warehouse(place)
    land(place, FIRST_NIGHT, *NIGHTS[FIRST_NIGHT])
    settle_night(place, SECOND_NIGHT)
    assert figures(place) == expected[SECOND_NIGHT]
    lose_warehouse(place)
    settings = place / "callbill.toml"
    settings.write_text(settings.read_text().replace("buckets = 2", "buckets = 3"))
    assert "the checkpoint divides its calls into 2 bucket(s), not 3" in refused(place, "rebuild")


def test_what_earlier_nights_concluded_of_a_call_is_archived(
    expected: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """The record that a-3 was charged for lies beyond the horizon of the first night from the
    checkpoint; the other is too old to be charged. Only its state says that it was charged."""
    place = copy_of(not_archived(FIRST_NIGHT), tmp_path)
    archive(place, "--to", tmp_path / "archive")
    lose_warehouse(place)
    settle_night(place, SECOND_NIGHT)
    assert figures(place) == expected[SECOND_NIGHT]
    assert query(
        place,
        "select disposition, calls_billed from billing.calls"
        " where request_id = 'a-3' and settled_on = date '2026-03-09'",
    ) == [("reversed", -1)]
    succeed(callbill("verify", cwd=place))


def test_what_was_archived_is_named_and_moved(week: Path, archived_week: Path) -> None:
    place = archived_week
    landing = place / "landing"
    assert sorted(path.name for path in landing.iterdir()) == [
        "account_events",
        "call_logs",
        "contracts",
    ]
    assert list((landing / "call_logs").iterdir()) == []
    [folder] = (place / "published/checkpoints").iterdir()
    assert folder.name == "2026-03-06"
    loads = {
        (load["path"], load["source_file_id"])
        for load in manifest(week)["loads"]
        if load["feed"] == "call_logs"
    }
    archived = archive_of(place)
    assert {(file["path"], file["source_file_id"]) for file in archived} == loads
    for file in archived:
        name = file["path"].removesuffix("/c.jsonl")
        assert (Path(file["moved_to"]) / name).is_file()
    # The release says what it said, and its manifest has the form that it had.
    assert manifest(place).keys() == manifest(week).keys()
    assert figures(place) == figures(week)


def test_what_was_named_before_a_stop_is_moved_by_the_next(archived_week: Path) -> None:
    """Four logs, and what announces one of them."""
    assert "Moved: 5 files" in (archived_week.parent / "said").read_text()
    assert list((archived_week / "landing/call_logs").iterdir()) == []


def test_an_announcement_goes_with_its_file(archived_week: Path, next_day: Path) -> None:
    assert not (archived_week / "landing" / ANNOUNCEMENT).exists()
    assert (archived_week.parent / "archive" / ANNOUNCEMENT).exists()
    # Nothing but that the account never was activated.
    assert last_run(next_day)["controls_failed"] == ["no_service_without_standing"]


def test_a_run_without_news_has_nothing_to_say_of_it(next_day: Path) -> None:
    assert "Warning" not in (next_day.parent / "said").read_text()
    status = last_run(next_day)
    assert status["warnings"] == []
    assert "loaded_files_are_unchanged" not in status["controls_failed"]


def test_a_restore_is_tried_from_the_checkpoint(next_day: Path, tmp_path: Path) -> None:
    backup = copy_of(next_day, tmp_path)
    lose_warehouse(backup)
    ended = callbill("drill", backup, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    said = " ".join(ended.stdout.split())
    assert "a warehouse was made of the checkpoint through 2026-03-06" in said
    assert "4 files are archived and away" in said
    shutil.rmtree(backup / "published/checkpoints")
    ended = callbill("drill", backup, cwd=tmp_path)
    assert ended.returncode == 2
    assert "4 file(s) that the current release was made from are neither" in ended.stderr


def test_a_checkpoint_that_was_changed_is_refused(place: Path) -> None:
    lose_warehouse(place)
    [folder] = (place / "published/checkpoints").iterdir()
    path = next(folder.rglob("raw/call_logs/settlement_floor=2026-03-03/*.parquet"))
    path.chmod(0o644)
    content = path.read_bytes()
    path.unlink()  # which may have other names
    path.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    for command in ("rebuild", "verify"):
        assert f"{path} is not as it was written" in refused(place, command)
    assert not (place / "warehouse.duckdb").exists()


def test_what_the_warehouse_knows_of_archived_files_can_be_asked(
    anew: Path, tmp_path: Path
) -> None:
    place = copy_of(anew / "copy", tmp_path)
    said = callbill("explain", "--request-id=b-1", cwd=place).stdout
    assert "2026-03-03/calls.jsonl" in "".join(said.split())
    # A rejected line is read from where the file was moved to.
    shown = callbill("rejects", "--show", cwd=place).stdout
    assert '{"request_id": "cut' in shown
    path = "call_logs/arrived_on=2026-03-03/calls.jsonl"
    archive_of(place, moved_to="/nowhere")
    shown = callbill("rejects", "--show", cwd=place).stdout
    assert "it is archived in /nowhere" in " ".join(shown.split())
    assert "It is archived in /nowhere" in refused(place, "retry", path)


def archive_of(place: Path, moved_to: str | None = None) -> list[dict[str, Any]]:
    """The archived files that the checkpoint names; said to be elsewhere if asked for."""
    [folder] = (place / "published/checkpoints").iterdir()
    path = folder / "checkpoint.json"
    index = json.loads(path.read_text())
    if moved_to:
        for file in index["archived"]:
            file["moved_to"] = moved_to
        path.write_text(json.dumps(index))
    files: list[dict[str, Any]] = index["archived"]
    return files


def put_back(place: Path, name: str) -> Path:
    target = place / "landing" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(archive_of(place)[0]["moved_to"]) / name, target)
    return target


@pytest.fixture(scope="module")
def landed_again(archived_week: Path) -> tuple[Path, str]:
    """A place in which an archived file has come back, and another one under the name of an
    archived file; and what its run said."""

    def make(folder: Path) -> None:
        place = copy_of(archived_week, folder)
        put_back(place, "call_logs/arrived_on=2026-03-02/calls.jsonl")
        land(place, "2026-03-03", *calls("b", 2), record("b-9", used(4)))
        (folder / "said").write_text(run(place, "2026-03-07"))

    folder = make_once("landed-again", make)
    return folder / "copy", " ".join((folder / "said").read_text().split())


def test_a_file_that_comes_back_is_known_and_named(
    archived_week: Path, landed_again: tuple[Path, str]
) -> None:
    place, said = landed_again
    name = "call_logs/arrived_on=2026-03-02/calls.jsonl"
    assert f"1 archived file(s) are in the landing folder again, {name} among them" in said
    before, after = (figures(one)["settlement_hashes"] for one in (archived_week, place))
    assert {day: after[day] for day in before} == before
    assert query(place, f"select count(*) from ops.source_files where path = '{name}'") == [(1,)]


def test_other_bytes_under_an_archived_name_are_a_file_of_its_own(
    landed_again: tuple[Path, str],
) -> None:
    place, said = landed_again
    assert "1 file(s) have the name of an archived one and other bytes" in said
    assert query(
        place,
        "select request_id, disposition from billing.calls"
        " where settled_on = date '2026-03-07' order by 1",
    ) == [(f"b-{n}", "duplicate") for n in range(4)] + [("b-9", "billed")]
    assert query(place, "select count(*) from ops.source_files where feed = 'call_logs'") == [(5,)]


def test_with_all_files_back_everything_is_computed_again(place: Path) -> None:
    for file in archive_of(place):
        put_back(place, file["path"].removesuffix("/c.jsonl"))
    said = rebuild(place)
    assert "Rebuilt 2026-03-02 to 2026-03-06" in said
    assert "checkpoint" not in said
    assert "archived" not in callbill("verify", cwd=place).stdout


def test_archiving_again_adds_and_leaves_what_is_not_settled_to_its_last_record(
    plain: Path, tmp_path: Path
) -> None:
    """Usage of the day of arrival is settled on the day after."""
    said = archive(plain, "--to", tmp_path / "first", before="2026-03-04")
    assert "Moved: 2 files" in said
    land(plain, "2026-03-07", record("g-1", used(6)), record("g-2", used(7)))
    folder = plain / "landing/call_logs/arrived_on=2026-03-05"
    (folder / "new.jsonl").write_text(record("g-3", used(5)) + "\n")
    mixed = folder / "mixed.zip"
    with zipfile.ZipFile(mixed, "w") as packed:
        packed.writestr("g-4.jsonl", record("g-4", used(6)) + "\n")
    run(plain, "2026-03-07")
    loaded = mixed.read_bytes()
    (folder / "newest.jsonl").write_text(record("g-5", used(5)) + "\n")
    with zipfile.ZipFile(mixed, "a") as packed:
        packed.writestr("g-6.jsonl", record("g-6", used(6)) + "\n")
    said = archive(plain, "--to", tmp_path / "second", before="2026-03-08")
    assert "arrived_on=2026-03-07/calls.jsonl has records that are settled later" in said
    assert "arrived_on=2026-03-05/newest.jsonl is not what was loaded" in said
    assert "mixed.zip is not what was loaded" in said
    left = {path.name for path in (plain / "landing/call_logs").rglob("*") if path.is_file()}
    assert left == {"calls.jsonl", "newest.jsonl", "mixed.zip"}
    [checkpoint] = (plain / "published/checkpoints").iterdir()
    assert checkpoint.name == "2026-03-07"
    moved_to = [file["moved_to"] and Path(file["moved_to"]).name for file in archive_of(plain)]
    assert [name for name in moved_to if name] == [
        *("first", "first", "second", "second", "second"),
    ]
    # Of the same date nothing is copied again, and nothing is left to do.
    said = archive(plain, "--to", tmp_path / "third")
    assert "Named as archived: 0 files" in said
    # What was put aside since stands in no rebuild's way.
    mixed.write_bytes(loaded)
    (folder / "newest.jsonl").unlink()
    lose_warehouse(plain)
    rebuild(plain)


SHAPE = """
fields:
  request_id: id
  called_at: at
  owner_uin: account
  action: api
  http_status: status
"""


def test_files_that_others_moved_and_lines_read_again_since(
    plain: Path, week: Path, tmp_path: Path
) -> None:
    """Files can be named and moved by others; lines read again since need their file."""
    shape = plain / "shapes/ours.yml"
    shape.write_text(SHAPE)
    name = "call_logs/format=ours/arrived_on=2026-03-07/calls.jsonl"
    file = plain / "landing" / name
    file.parent.mkdir(parents=True)
    line = '{"id": "h-1", "at": "2026-03-06T10:00:00+08:00", "payer": "%s", "api": "SearchByText"'
    file.write_text(line % OWNER + ', "status": 200}\n')
    run(plain, "2026-03-07")
    said = archive(plain, before="2026-03-08")
    assert "Named as archived: 5 files" in said
    assert "may be moved or removed now" in said
    assert "archived" not in callbill("verify", cwd=plain).stdout
    assert "Warning" not in run(plain, "2026-03-07")
    shape.write_text(SHAPE.replace("account", "payer"))
    succeed(callbill("retry", name, cwd=plain))

    held = file.rename(tmp_path / "held")
    for feed in ("call_logs", "contracts", "account_events"):
        shutil.rmtree(plain / "landing" / feed)
    # The other feeds are not archived: a landing folder without them is the wrong one.
    assert "has none of the 2 file(s)" in refused(plain, "run", "--through", "2026-03-08")
    for feed in ("contracts", "account_events"):
        shutil.copytree(week / "landing" / feed, plain / "landing" / feed)
    run(plain, "2026-03-08")
    # Nothing but that the account never was activated.
    assert last_run(plain)["controls_failed"] == ["no_service_without_standing"]
    assert query(
        plain, "select disposition from billing.calls where request_id = 'h-1'"
    ) == [("billed",)]  # fmt: skip

    lose_warehouse(plain)
    said = refused(plain, "rebuild")
    assert f"lines of {name} were read again since, and the file is not in" in said
    assert f"{name} is not there" in refused(plain, "verify")
    file.parent.mkdir(parents=True)
    held.rename(file)
    said = " ".join(rebuild(plain).split())
    assert "Dates through 2026-03-07 say what they were sealed with" in said
    assert "not computed again" in said
    assert "4 files are archived and away" in callbill("verify", cwd=plain).stdout


@pytest.mark.parametrize("folder", ["landing/archive", "landing"])
def test_an_archive_in_the_landing_folder_is_refused(plain: Path, folder: str) -> None:
    assert "is in the landing folder" in refused(
        plain, "archive", "--before", "2026-03-06", "--to", plain / folder
    )
    assert not (plain / "published/checkpoints").exists()


def test_what_would_not_be_right_is_refused(plain: Path, tmp_path: Path) -> None:
    landed = sorted((plain / "landing").rglob("*"))
    before = ("archive", "--before", "2026-03-06")
    # Another file of that name.
    taken = tmp_path / "archive/call_logs/arrived_on=2026-03-02/calls.jsonl"
    taken.parent.mkdir(parents=True)
    taken.write_text("something else")
    assert f"{taken} is another file already" in refused(
        plain, *before, "--to", tmp_path / "archive"
    )
    assert f"{taken} is a file" in refused(plain, *before, "--to", taken)
    # Nothing arrived so early.
    assert "nothing was archived" in refused(plain, "archive", "--before", "2026-03-01")
    # What no release names yet would be in the checkpoint.
    bill = plain / "landing/vendor_bills/arrived_on=2026-03-05/bill.csv"
    bill.parent.mkdir(parents=True)
    bill.write_text("支付者UIN\n")
    succeed(callbill("quarantine", "vendor_bills/arrived_on=2026-03-05/bill.csv",
                     "--reason", "no bill", cwd=plain))  # fmt: skip
    assert "is not at the state of the current release" in refused(plain, *before)
    assert sorted((plain / "landing").rglob("*")) == sorted([*landed, bill, *bill.parents[:2]])
    assert not (plain / "published/checkpoints").exists()


def test_a_warehouse_that_says_otherwise_stands_for_nothing(plain: Path) -> None:
    with duckdb.connect(str(plain / "warehouse.duckdb")) as con:
        con.execute("update billing.settlements set deducted_amount = deducted_amount + 0.01")
    ended = callbill("archive", "--before", "2026-03-06", cwd=plain)
    assert ended.returncode == 4
    assert "does not say what was sealed" in ended.stderr
    assert not list((plain / "published/checkpoints").glob("2*"))


def test_releases_in_a_store_have_no_checkpoint(plain: Path) -> None:
    said = refused(plain, "archive", "--before=2026-03-06", "--published=s3://bills/acme")
    assert "archiving needs a published folder of this machine" in said
    assert (plain / "landing/call_logs/arrived_on=2026-03-02/calls.jsonl").exists()


def test_nothing_can_be_archived_before_something_is_sealed(tmp_path: Path) -> None:
    succeed(callbill("init", "acme", cwd=tmp_path))
    said = refused(tmp_path / "acme", "archive", "--before", "2026-03-06")
    assert "nothing was published" in said
