"""A place, through the command: made, found, settled from, refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.commands import callbill, succeed
from tests.support.places import figures, last_run, manifest, query
from tests.support.project import PROJECT
from tests.support.releases_of_0_6_0 import differences, read, unpack
from tests.support.story import OWNER, settled_at_once, settled_in_a_place


@pytest.fixture(scope="module")
def settled() -> Path:
    """A place in which the story was settled, from a folder below it."""
    return settled_in_a_place()


@pytest.fixture
def place(settled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(settled, tmp_path / "acme", symlinks=True))


def test_init_makes_what_it_says_and_nothing_beside(tmp_path: Path) -> None:
    ended = callbill("init", "of/acme", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    place = tmp_path / "of" / "acme"
    assert {path.name for path in place.iterdir()} == {
        "callbill.toml", "catalogue", "shapes", "landing", "published",
    }  # fmt: skip
    for name in ("callbill.toml", "catalogue/", "shapes/", "landing/", "published/"):
        assert f"  {name} " in ended.stdout
    assert str(place) in ended.stdout
    again = callbill("init", cwd=place)
    assert (again.returncode, again.stdout) == (2, "")
    assert "callbill.toml is there already; nothing was changed" in again.stderr


def test_init_with_deploy_writes_what_schedulers_need(tmp_path: Path) -> None:
    ended = callbill("init", "acme", "--deploy", cwd=tmp_path)
    succeed(ended)
    assert "  deploy/ " in ended.stdout
    place = tmp_path / "acme"
    written = {path.name: path.read_bytes() for path in (place / "deploy").iterdir()}
    assert written == {path.name: path.read_bytes() for path in (PROJECT / "deploy").iterdir()}
    assert {"callbill.service", "callbill.timer", "crontab", "alerts.yml"} <= written.keys()
    # Into a place that is there already, once.
    shutil.rmtree(place / "deploy")
    settings = (place / "callbill.toml").read_bytes()
    succeed(callbill("init", "--deploy", cwd=place))
    assert len(list((place / "deploy").iterdir())) == len(written)
    again = callbill("init", "--deploy", cwd=place)
    assert again.returncode == 2
    assert "deploy is there already; nothing was changed" in again.stderr
    assert (place / "callbill.toml").read_bytes() == settings


def test_the_bill_of_a_place_is_that_of_the_shipped_catalogue(settled: Path) -> None:
    """The catalogue lies elsewhere: no figure, hash or form of the manifest is another."""
    elsewhere = settled_at_once()
    assert figures(settled) == figures(elsewhere)
    with_place, without = manifest(settled), manifest(elsewhere)
    assert with_place.keys() == without.keys()
    for key in ("format", "vars", "seeds", "counts_from", "rules"):
        assert with_place[key] == without[key]


def test_every_command_finds_the_place(settled: Path, tmp_path: Path) -> None:
    below = settled / "landing" / "call_logs"
    bill = ("bill", f"--owner={OWNER}", "--month=2026-03")
    for ended in (
        callbill(*bill, cwd=below),
        callbill(*bill, f"--place={settled}", cwd=tmp_path),
        callbill("runs", cwd=below),
        callbill("verify", cwd=below),
        callbill("rejects", cwd=below),
    ):
        assert ended.returncode == 0, ended.stderr
    ended = callbill(*bill, cwd=tmp_path)
    assert ended.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_config_says_where_each_value_comes_from(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "callbill.toml").write_text("keep_releases = 7\n[vars]\nusual_volume_days = 14\n")
    monkeypatch.setenv("CALLBILL_THREADS", "1")
    ended = callbill("config", "--json", "--landing=in", cwd=place)
    assert ended.returncode == 0, ended.stderr
    shown = json.loads(ended.stdout)
    assert shown["place"] == str(place)
    of = {name: (s["value"], s["source"]) for name, s in shown["settings"].items()}
    assert of["landing"] == (str(place / "in"), "--landing")
    assert of["threads"] == (1, "CALLBILL_THREADS")
    assert of["keep_releases"] == (7, "callbill.toml")
    assert of["published"] == (str(place / "published"), "default")
    assert of["vars.usual_volume_days"] == (14, "callbill.toml")
    assert of["vars.billing_timezone"] == ("Asia/Shanghai", "default")
    table = callbill("config", cwd=place).stdout
    assert f"Place {place}, found by the current folder." in table
    assert "keep_releases" in table and "callbill.toml" in table


def test_a_mistake_in_the_place_is_one_sentence_and_the_status_of_the_run(place: Path) -> None:
    for file, text, says in (
        ("callbill.toml", "keep_release = 3\n", "the nearest one is keep_releases"),
        (
            "catalogue/list_prices.csv",
            "component_code,effective_from,known_from,list_price\n"
            "wimgs_search_by_text,2020-01-01,2020-01-01,sixty\n",
            "catalogue/list_prices.csv, line 2, column list_price: sixty is not a price",
        ),
    ):
        before = (place / file).read_text()
        (place / file).write_text(text)
        ended = callbill("run", "--through", "2026-03-07", cwd=place)
        assert ended.returncode == 2
        assert len(ended.stderr.splitlines()) == 1
        assert says in ended.stderr
        assert says in last_run(place)["message"]
        assert callbill("runs", cwd=place).returncode == 2
        (place / file).write_text(before)


def test_a_price_that_is_edited_is_refused_and_one_that_is_added_counts_from_now_on(
    place: Path,
) -> None:
    """In a catalogue of one's own, which is what is billed by."""
    prices = place / "catalogue" / "list_prices.csv"
    row = "wimgs_search_by_text,2020-01-01,2020-01-01,60.00000000,,\n"
    assert row in prices.read_text()
    # Known from a sealed date on, which counts from now on: a re-rating of what was used since, on
    # the new date only.
    added = "wimgs_search_by_text,2026-03-02,2026-03-05,70\n"
    # An edited row is a row taken away and another added.
    prices.write_text(prices.read_text().replace(row, row.replace("60", "61")))
    ended = callbill("run", "--through", "2026-03-07", cwd=place)
    assert ended.returncode == 2
    assert "catalogue/list_prices.csv: row wimgs_search_by_text" in ended.stderr
    prices.write_text(prices.read_text().replace("61.", "60.") + added)
    succeed(callbill("run", "--through", "2026-03-07", cwd=place))
    assert query(
        place,
        "select usage_date::varchar, calls, list_price::varchar, contract_price::varchar"
        " from billing.bill_lines where settled_on = date '2026-03-07' order by all",
    ) == [
        ("2026-03-02", -1, "60.00000000", "51.30000000"),
        ("2026-03-02", 1, "70.00000000", "59.85000000"),
        ("2026-03-03", -1, "60.00000000", "51.30000000"),
        ("2026-03-03", 1, "70.00000000", "59.85000000"),
    ]
    succeed(callbill("verify", cwd=place))


def test_a_place_is_made_around_what_an_earlier_version_left(tmp_path: Path) -> None:
    """Its catalogue takes the place of the shipped seeds, and no figure changes."""
    place = unpack("callbill-0.6.0-clean.tar.zst", tmp_path)
    succeed(callbill("init", place, cwd=tmp_path))
    shutil.copytree(place / "next-night" / "landing", place / "landing", dirs_exist_ok=True)
    expected = read(place / "next-night" / "expected.json")
    succeed(callbill("run", "--through", expected["through"], cwd=place))
    assert differences(place / "published", expected) == []


def test_a_backup_is_tried_without_touching_it(place: Path, tmp_path: Path) -> None:
    for name in ("warehouse.duckdb", "warehouse.duckdb.lock"):
        (place / name).unlink()
    shutil.rmtree(place / "warehouse.duckdb.files")
    backup = Path(shutil.copytree(place, tmp_path / "backup", symlinks=True))
    before = sorted(backup.rglob("*"))
    ended = callbill("drill", backup, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "The backup restores everything that is sealed through 2026-03-06" in ended.stdout
    assert sorted(backup.rglob("*")) == before
    for name in (tmp_path / "nowhere", backup / "landing"):
        ended = callbill("drill", name, cwd=tmp_path)
        assert ended.returncode == 2
        assert f"{name} is no copy of a place: it has no callbill.toml" in ended.stderr
    # It goes on from there, with a warehouse that the run makes anew.
    succeed(callbill("run", "--through", "2026-03-07", cwd=backup))
    lost = backup / "landing/call_logs/arrived_on=2026-03-03/calls.jsonl"
    lost.unlink()
    ended = callbill("drill", backup, cwd=tmp_path)
    assert ended.returncode == 2
    assert "arrived_on=2026-03-03/calls.jsonl" in ended.stderr


def test_a_changed_figure_var_is_refused_also_when_nothing_is_due(place: Path) -> None:
    with (place / "callbill.toml").open("a") as stream:
        stream.write('deduction_rounding = "down"\n')
    for through in ("2026-03-06", "2026-03-07"):
        ended = callbill("run", "--through", through, cwd=place)
        assert ended.returncode == 2
        assert "var deduction_rounding is 'down'" in ended.stderr


def test_a_run_outside_of_any_place_says_so(tmp_path: Path) -> None:
    ended = callbill("run", "--through", "2026-03-06", cwd=tmp_path)
    assert ended.returncode == 2
    assert "is not there; name it with --landing, or go into a place" in ended.stderr


def test_a_file_in_the_landing_folder_is_tried_as_what_its_path_says(place: Path) -> None:
    (place / "shapes/ours.yml").write_text(
        "fields: {request_id: id, owner_uin: account, called_at: at, action: api}\n"
        "constants: {http_status: 200}\n"
    )
    file = place / "landing/call_logs/format=ours/arrived_on=2026-03-07/calls.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text(
        '{"id": "t-1", "account": "100000000071", "at": "2026-03-06T10:00:00+08:00",'
        ' "api": "SearchByText"}\n'
    )
    ended = callbill("try", file, cwd=place)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("calls.jsonl as ours: 1 records accepted")
    # Times are those of the billing timezone.
    assert "2026-03-06 10:00:00+08:00" in ended.stdout
    contracts = "landing/contracts/arrived_on=2026-03-04/contracts.csv"
    ended = callbill("try", contracts, cwd=place)
    assert ": 1 records accepted, 0 rejected" in ended.stdout
    assert "0.855" in ended.stdout
    assert "docs/shapes.md" not in ended.stdout
    # Elsewhere it is guessed, or named.
    ended = callbill("try", "calls.jsonl", cwd=file.parent.rename(place / "elsewhere"))
    assert "as ours (a guess" in ended.stdout


def test_try_names_what_a_shape_could_say_of_times_and_codes(place: Path) -> None:
    file = place / "calls.csv"
    lines = [
        "request_id,called_at,owner_uin,action,http_status,error_code",
        "1,2026-03-06T10:00:00+08:00,100000000071,SearchByText,200,OK",
        "2,2026-03-06T10:00:00+08:00,100000000071,SearchByText,200,success",
        "3,2026-03-06T10:00:00+08:00,100000000071,SearchByText,200,InternalError",
        "4,06/03/2026 10:00,100000000071,SearchByText,200,",
    ]
    file.write_text("\n".join(lines) + "\n")
    said = callbill("try", file, cwd=place).stdout
    assert "a shape that names it: time_formats. See docs/shapes.md." in said
    assert "no_error_codes: ['OK', 'success']. See docs/shapes.md." in said
    file.write_text("\n".join(lines[:1] + lines[3:4]) + "\n")
    said = callbill("try", file, cwd=place).stdout
    assert "1 records accepted" in said
    assert "time_formats" not in said
    assert "no_error_codes" not in said
