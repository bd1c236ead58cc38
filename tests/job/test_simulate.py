"""`callbill simulate`: the bills that would have been, beside those that were."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
import yaml
from callbill.base.progress import Reporter
from callbill.cli.show.simulation import write_comparison
from callbill.jobs.simulation.books import why_not_readable
from callbill.jobs.simulation.job import simulated
from callbill.jobs.simulation.what_if import WhatIf
from callbill.release.release import Published

from tests.bill.reference import landing, worlds
from tests.bill.reference.inputs import Settings
from tests.bill.reference.model import Tables, tables
from tests.support.candidates import with_a_sealed_candidate
from tests.support.commands import callbill, run_after, run_job, settle, succeed
from tests.support.disturbed import die
from tests.support.places import (
    copy_of,
    lose_warehouse,
    places,
    query,
    query_warehouse,
    settings_of,
    unpublishable,
)
from tests.support.project import PROJECT, SAMPLE
from tests.support.project_copy import ProjectCopy
from tests.support.releases_of_0_6_0 import (
    place_of_0_1_0,
    place_of_0_6_0,
    settled_by_todays_rules,
)
from tests.support.shared import make_once
from tests.support.site import facts_of
from tests.support.story import OWNER, land, land_story, record, settled_by_night
from tests.support.temporary_folder import watch_temporary_folder
from tests.support.worlds import (
    FEW,
    MANY,
    Size,
    place_of_counted_worlds,
    place_under_other_vars,
    settled_worlds,
    worlds_place,
    worlds_under_other_vars,
)

COMPONENT = "wimgs_search_by_text"
# A line of the books and its twin: the columns that both have.
FIGURES = ("calls", "list_price", "discount", "contract_price", "list_cost", "real_cost")
TERMS = "owner_uin,component_code,effective_from,effective_to,discount,contract_price\n"


def simulate(place: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return callbill("simulate", *places(place), *arguments)


def answer(place: Path, folder: Path, *arguments: object) -> dict[str, Any]:
    """What a simulation writes as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / "answer.json"
    ended = simulate(place, *arguments, "--format=json", f"--output={output}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    content: dict[str, Any] = json.loads(output.read_text())
    return content


def answered_once(name: str, place: Path, *arguments: object) -> dict[str, Any]:
    """The same, asked once for several tests."""
    folder = make_once(name, lambda folder: answer(place, folder, *arguments))
    content: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    return content


def check_gives_the_books(place: Path, said: dict[str, Any]) -> None:
    """That a simulation came to the books, to the last digit, and left nothing out."""
    [(lines,)] = query(place, "select count(*) from billing.bill_lines")
    assert lines == len(said["lines"]) > 0
    for line in said["lines"]:
        assert line["comparison"] == "same", line
        assert line["line_id"] == line["simulated_line_id"]
        assert all(line[name] == line[f"simulated_{name}"] for name in FIGURES)
    [(bills,)] = query(place, "select count(*) from billing.monthly_bills")
    assert bills == len(said["bills"])
    for bill in said["bills"]:
        for name in ("calls", "list_cost", "rated_amount", "adjustment_amount", "deducted_amount"):
            assert bill[name] == bill[f"simulated_{name}"], bill
    for row in said["unrated"]:
        assert row["calls"] == row["simulated_calls"]


def catalogue_with_an_unused_claim(place: Path, folder: Path) -> Path:
    """No bill depends on it. But another claim can change which calls are charged, so calls are
    judged anew."""
    folder.mkdir(parents=True)
    release = place / "published" / "current" / "callbill.duckdb"
    file = folder / "component_actions.csv"
    with duckdb.connect(str(release), read_only=True) as con:
        [(component,)] = con.execute("select min(component_code) from seeds.components").fetchall()
        con.execute(
            "copy (from seeds.component_actions union all by name"
            f" select 'NoSuchAction' as action, '{component}' as component_code)"
            f" to '{file}' (header)"
        )
    return folder


@pytest.fixture(scope="module")
def story() -> Path:
    """Calls with a history, in a place that was settled night by night."""
    return settled_by_night()


# --- the books' own terms give the books ---


def growing_place() -> Path:
    """Worlds with the catalogue of each run."""

    def make(place: Path) -> None:
        project = ProjectCopy.in_folder(place / "project")
        runs = [worlds.LAST_DAY.replace(month=3, day=4), worlds.LAST_DAY.replace(month=3, day=6)]
        world = worlds.growing(count=25, seed=5, runs=[*runs, worlds.LAST_DAY])
        for number, through in enumerate(world.runs):
            landing.write(world, place / "landing", number)
            landing.write_seeds(project.folder / "seeds", world.seeds_before(number))
            succeed(project.run_job(place, "--through", through))

    return make_once("simulated-growing", make)


PLACES: dict[str, Callable[[Size], Path]] = {
    "worlds": worlds_place,
    "other vars": partial(place_under_other_vars, "rounding down"),
    "another time zone": partial(place_under_other_vars, "another time zone"),
    # Rows count from later than they say.
    "a catalogue that grows": lambda _size: growing_place(),
    "steps, packages and waivers": place_of_counted_worlds,
}


# By the books' own terms nothing is claimed anew: lines are priced again. With another claim the
# calls are settled again, here one that nothing comes to.
IN_EVERY_RUN = [("worlds", "lines"), ("steps, packages and waivers", "calls")]
_CAMPAIGN = pytest.mark.long


@pytest.mark.parametrize(
    ("name", "what", "size"),
    [
        *(pytest.param(name, what, FEW, id=f"{name}-{what}") for name, what in IN_EVERY_RUN),
        *(
            pytest.param(name, what, MANY, id=f"many {name}-{what}", marks=_CAMPAIGN)
            for name in PLACES
            for what in ("lines", "calls")
        ),
    ],
)
def test_generated_worlds_come_out_as_they_are_in_the_books(
    name: str, what: str, size: Size, tmp_path: Path
) -> None:
    place = PLACES[name](size)
    if what == "lines":
        said = answer(place, tmp_path / "said")
        assert said["asked"] == ["nothing is otherwise than in the books"]
        check_gives_the_books(place, said)
        return
    unused = catalogue_with_an_unused_claim(place, tmp_path / "catalogue")
    said = answer(place, tmp_path / "said", f"--catalogue={unused}")
    assert any("NoSuchAction" in sentence for sentence in said["asked"])
    check_gives_the_books(place, said)


def of_the_sample(place: Path) -> dict[str, Any]:
    """With the catalogue that it was billed by, which was not the shipped one."""
    return answered_once("simulated-sample", place, f"--catalogue={SAMPLE / 'catalogue'}")


def test_the_sample_comes_out_as_it_is_in_the_books(sample_place: Path, tmp_path: Path) -> None:
    said = of_the_sample(sample_place)
    assert said["asked"] == ["nothing is otherwise than in the books"]
    check_gives_the_books(sample_place, said)
    unused = catalogue_with_an_unused_claim(sample_place, tmp_path / "catalogue")
    said = answer(sample_place, tmp_path, f"--catalogue={unused}")
    check_gives_the_books(sample_place, said)


@pytest.mark.parametrize("name", [pytest.param("clean", marks=_CAMPAIGN), "dirty"])
def test_places_of_0_6_0_come_out_as_they_are(name: str, tmp_path: Path) -> None:
    """Before a run of today, when the landing folder has to be read again, and after one."""
    place = place_of_0_6_0(name)
    said = answer(place, tmp_path / "before")
    assert said["notes"] == [
        "The warehouse was written by an older callbill: the landing folder was read again."
    ]
    check_gives_the_books(place, said)
    place = settled_by_todays_rules(name)
    check_gives_the_books(place, answer(place, tmp_path / "after"))
    unused = catalogue_with_an_unused_claim(place, tmp_path / "catalogue")
    check_gives_the_books(place, answer(place, tmp_path / "calls", f"--catalogue={unused}"))


def test_a_place_of_0_1_0_comes_out_as_it_is(tmp_path: Path) -> None:
    """Its release does not have the catalogue that it was made with: that of today is taken."""
    place = place_of_0_1_0()
    said = answer(place, tmp_path / "answer")
    assert said["notes"] == [
        "The warehouse was written by an older callbill: the landing folder was read again."
    ]
    check_gives_the_books(place, said)


@pytest.mark.parametrize("what", ["lines", "calls"])
def test_calls_in_several_buckets_and_what_is_not_sealed(what: str, tmp_path: Path) -> None:
    """The first come out as they are, and the last does not count: a run that failed has loaded
    files and built bills that are not published."""

    def make(place: Path) -> None:
        land_story(place)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CALLBILL_BUCKETS", "2")
            settle(place, "2026-03-06")
        given(place / "landing/contracts", f"{OWNER},{COMPONENT},2026-03-01,,0.5,",
              arrived_on="2026-03-07")  # fmt: skip
        land(place, "2026-03-07", record("s-9", "2026-03-06T10:00:00+08:00"))
        with unpublishable(place):
            assert run_job(place, "--through", "2026-03-07").returncode == 1
        charges = "select count(*) from intermediate.int_charges where settled_on = '2026-03-07'"
        assert query_warehouse(place, charges) == [(1,)]

    place, asked = make_once("simulated-buckets", make), []
    if what == "calls":
        asked = [f"--catalogue={catalogue_with_an_unused_claim(place, tmp_path / 'catalogue')}"]
    check_gives_the_books(place, answer(place, tmp_path / "said", *asked))


def test_records_that_a_killed_run_had_not_moved_to_their_place_do_not_matter(
    tmp_path: Path,
) -> None:
    """The warehouse names their file already, and the next run moves it. Tasks of several buckets
    are given every file of records that a simulation names."""
    place = tmp_path / "place"
    land_story(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALLBILL_BUCKETS", "2")
        settle(place, "2026-03-06")
    land(place, "2026-03-07", record("s-9", "2026-03-06T10:00:00+08:00"))
    killed = partial(die, "callbill.ingest.committing", "show_records", "before")
    assert run_after(killed, place, "--through", "2026-03-07").returncode < 0
    files = place / "warehouse.duckdb.files"
    later = "select file_name from ops.raw_files where file_name like '%=2026-03-07/%'"
    [(name,)] = query_warehouse(place, later)
    assert not (files / "raw" / "call_logs" / name).exists()
    unused = catalogue_with_an_unused_claim(place, tmp_path / "catalogue")
    said = answer(place, tmp_path / "said", f"--catalogue={unused}")
    assert said["notes"] == []
    check_gives_the_books(place, said)


# --- other terms give what a run by them gives ---


def check_gives(said: dict[str, Any], expected: Tables) -> None:
    """That a simulation came to what the model says that runs by its terms give."""
    names = ("list_price", "discount", "contract_price", "calls", "list_cost", "real_cost")
    lines = Counter(
        (line["settled_on"], line["usage_date"], line["owner_uin"], line["component_code"],
         line["line_type"], *map(_number, (line[f"simulated_{name}"] for name in names)))
        for line in said["lines"]
        if line["simulated_line_id"]
    )  # fmt: skip
    assert lines == Counter(
        (str(line.settled_on), str(line.usage_date), line.owner_uin, line.component_code,
         line.line_type, *(getattr(line, name) for name in names))
        for line in expected.bill_lines
    )  # fmt: skip
    deducted: dict[tuple[str, str, str], Decimal | None] = {
        (bill["owner_uin"], bill["product_code"], bill["bill_month"]): _number(
            bill["simulated_deducted_amount"]
        )
        for bill in said["bills"]
        if bill["simulated_deducted_amount"] is not None
    }
    for bill in expected.monthly_bills:
        key = (bill.owner_uin, bill.product_code, str(bill.bill_month))
        assert deducted.pop(key) == bill.deducted_amount, key
    # Bills of the books that would not have been.
    assert not any(deducted.values())
    # Else it would show less than it seems to.
    assert any(line["comparison"] != "same" for line in said["lines"])


def _number(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def test_other_vars_give_what_runs_by_them_give(tmp_path: Path) -> None:
    """Of the files that were settled by the vars that ship."""
    others = Settings(deduction_rounding="down", max_usage_age_days=3, dedup_horizon_days=31)
    world = settled_worlds()
    said = answer(
        worlds_place(),
        tmp_path,
        *("--var", "deduction_rounding=down", "--var", "max_usage_age_days=3"),
        *("--var", "dedup_horizon_days=31"),
    )
    check_gives(said, tables(replace(world, settings=others)))


def test_another_catalogue_gives_what_runs_with_it_give(tmp_path: Path) -> None:
    """Prices, first days of prices, and claims are others; some calls are unrated by them."""
    world = worlds_under_other_vars("rounding down")
    prices = [
        replace(price, list_price=price.list_price + Decimal("1.5"))
        for number, price in enumerate(world.seeds.list_prices)
        if number != 1
    ]
    components = [
        replace(one, actions=one.actions[:1] if one.actions else ())
        for one in world.seeds.components
    ]
    others = replace(world.seeds, list_prices=tuple(prices), components=tuple(components))
    landing.write_seeds(tmp_path, others)
    place = place_under_other_vars("rounding down")
    said = answer(place, tmp_path, f"--catalogue={tmp_path}")
    check_gives(said, tables(replace(world, seeds=others)))


# --- worked by hand: the story ---
#
# Usage of 1 March: s-1, s-2, s-5; s-2 is reversed on the 5th, s-5 is late. s-3 of the 2nd, s-4 of
# the 3rd. The contract of 0.855 is known on the 4th. Of March 4 calls remain, deducted by night:
# 0.12 on the 2nd; 0.06 on the 3rd; on the 4th −0.12 + 2 × 0.0513 − 0.06 + 0.0513 + 0.0513 = 0.0252,
# so 0.03; on the 5th nothing: −0.0513 + 0.0513.


def test_the_story_is_billed_as_told(story: Path) -> None:
    bill = query(
        story, "select calls, rated_amount::varchar, deducted_amount::varchar"
        " from billing.monthly_bills"
    )  # fmt: skip
    assert bill == [(4, "0.20520000", "0.21")]


def given(folder: Path, *rows: str, arrived_on: str | None = None) -> Path:
    folder = folder / f"arrived_on={arrived_on}" if arrived_on else folder
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "given.csv"
    file.write_text(TERMS + "".join(f"{row}\n" for row in rows))
    return file


def bill_of(said: dict[str, Any]) -> tuple[str, str]:
    [bill] = said["bills"]
    return bill["simulated_rated_amount"], bill["simulated_deducted_amount"]


def test_a_list_price_that_had_been_another_all_along(story: Path, tmp_path: Path) -> None:
    """At 50 a call is 0.05 and 0.04275: 0.10, 0.05, then −0.15 + 4 × 0.04275 = 0.021, so 0.02."""
    (tmp_path / "list_prices.csv").write_text(
        "component_code,effective_from,known_from,list_price\n"
        f"{COMPONENT},2020-01-01,2020-01-01,50\n"
    )
    said = answer(story, tmp_path / "out", f"--catalogue={tmp_path}")
    assert said["asked"] == [
        f"list_prices.csv: without {COMPONENT},2020-01-01,2020-01-01,60.00000000",
        f"list_prices.csv: with {COMPONENT},2020-01-01,2020-01-01,50.00000000, which counts from"
        " 2020-01-01 on",
    ]
    assert bill_of(said) == ("0.17100000", "0.17")
    assert {line["comparison"] for line in said["lines"]} == {"other"}


def test_steps_a_package_and_a_waiver(story: Path, tmp_path: Path) -> None:
    """At list price, 30 after two calls of the month. The package has one call of the 1st, so s-1
    and s-3 are on the first step, s-4 is on the second. The reversal of s-2 takes the topmost call,
    s-5 comes to its place, and the waiver takes the topmost call again."""
    (tmp_path / "list_prices.csv").write_text(
        "component_code,effective_from,known_from,list_price,tier_from,tier_period\n"
        f"{COMPONENT},2020-01-01,2020-01-01,60,0,month\n"
        f"{COMPONENT},2020-01-01,2020-01-01,30,2,month\n"
    )
    packages = tmp_path / "arrived_on=2026-03-01/packages.csv"
    packages.parent.mkdir()
    packages.write_text(
        "package_id,owner_uin,component_code,calls,valid_from,valid_to\n"
        f"P,{OWNER},{COMPONENT},1,2026-03-01,2026-04-01\n"
    )
    waivers = tmp_path / "arrived_on=2026-03-06/waivers.csv"
    waivers.parent.mkdir()
    waivers.write_text(
        "waiver_id,owner_uin,usage_date,component_code,calls,request_id,reason\n"
        f"W,{OWNER},2026-03-01,{COMPONENT},1,,test\n"
    )
    said = answer(
        story, tmp_path / "out", f"--catalogue={tmp_path}", "--replace-contracts",
        f"--packages={packages}", f"--waivers={waivers}",
    )  # fmt: skip
    assert bill_of(said) == ("0.12000000", "0.12")
    names = ("settled_on", "usage_date", "line_type", "simulated_tier_from",
             "simulated_package_id", "simulated_waiver_id", "simulated_calls",
             "simulated_real_cost")  # fmt: skip
    lines = [tuple(line[name] for name in names) for line in said["lines"]]
    assert sorted((line for line in lines if line[6]), key=str) == [
        ("2026-03-02", "2026-03-01", "usage", 0, None, None, 1, "0.06000000"),
        ("2026-03-02", "2026-03-01", "usage", None, "P", None, 1, "0.00000000"),
        ("2026-03-03", "2026-03-02", "usage", 0, None, None, 1, "0.06000000"),
        ("2026-03-04", "2026-03-03", "usage", 2, None, None, 1, "0.03000000"),
        ("2026-03-05", "2026-03-01", "correction", 2, None, None, -1, "-0.03000000"),
        ("2026-03-05", "2026-03-01", "late_usage", 2, None, None, 1, "0.03000000"),
        ("2026-03-06", "2026-03-01", "correction", 2, None, "W", -1, "-0.03000000"),
    ]
    # The books know none of it.
    books = {(line["tier_from"], line["package_id"], line["waiver_id"]) for line in said["lines"]}
    assert books == {(None, None, None)}


def test_rounding_down(story: Path, tmp_path: Path) -> None:
    said = answer(story, tmp_path, "--var", "deduction_rounding=down")
    assert bill_of(said) == ("0.20520000", "0.20")
    assert {line["comparison"] for line in said["lines"]} == {"same"}
    assert said["bills"][0]["difference"] == "-0.01"
    assert said["asked"] == ["deduction_rounding is down; in the books half_up"]


def test_a_contract_counts_from_the_first_settlement_unless_its_file_says_otherwise(
    story: Path, tmp_path: Path
) -> None:
    """It stands instead of the books' version of the same contract: nothing is re-rated."""
    row = f"{OWNER},{COMPONENT},2026-03-01,,,30"
    said = json.loads((with_rejected_lines(story) / "answer.json").read_text())
    assert bill_of(said) == ("0.12000000", "0.12")
    assert "rerating" not in {
        line["line_type"] for line in said["lines"] if line["simulated_calls"]
    }
    # Known on the 3rd: the first night costs 0.12, the next −0.12 + 0.06 + 0.03; and on the 4th the
    # books' version is the later one.
    said = answer(
        story, tmp_path / "2", "--contracts", given(tmp_path, row, arrived_on="2026-03-03")
    )
    assert "known from 2026-03-03 on" in said["asked"][0]
    assert bill_of(said) == ("0.20520000", "0.21")
    rated = {
        (line["settled_on"], line["line_type"], line["simulated_calls"]): line[
            "simulated_real_cost"
        ]
        for line in said["lines"]
    }
    assert rated["2026-03-03", "rerating", -2] == "-0.12000000"
    assert rated["2026-03-03", "rerating", 2] == "0.06000000"
    assert rated["2026-03-03", "usage", 1] == "0.03000000"
    # With no other contract it stays.
    arguments = (
        "--contracts",
        given(tmp_path, row, arrived_on="2026-03-03"),
        "--replace-contracts",
    )
    assert bill_of(answer(story, tmp_path / "3", *arguments))[0] == "0.12000000"


def without_contracts(story: Path) -> Path:
    """A folder with what a simulation without them says, and its page."""

    def make(folder: Path) -> None:
        site = f"--site={folder / 'what-if'}"
        output = f"--output={folder / 'answer.json'}"
        ended = simulate(story, "--replace-contracts", "--format=json", output, site)
        succeed(ended)
        (folder / "said").write_text(ended.stdout)

    return make_once("simulated-without-contracts", make)


def test_without_the_contracts_of_the_books(story: Path) -> None:
    said = json.loads((without_contracts(story) / "answer.json").read_text())
    assert bill_of(said) == ("0.24000000", "0.24")
    assert said["asked"] == ["without the contracts of the books"]
    only_there = [line for line in said["lines"] if line["comparison"] == "only_in_books"]
    assert {line["line_type"] for line in only_there} == {"rerating"}


def test_a_contract_that_the_books_know_already_may_be_given(story: Path, tmp_path: Path) -> None:
    """The same bytes, and known from the first settlement: re-rating was what came of it late."""
    file = story / "landing/contracts/arrived_on=2026-03-04/contracts.csv"
    undated = tmp_path / "contracts.csv"
    shutil.copy(file, undated)
    said = answer(story, tmp_path / "out", "--contracts", undated)
    assert bill_of(said)[0] == "0.20520000"
    said = answer(story, tmp_path / "out", "--contracts", file)
    check_gives_the_books(story, said)


def test_calls_that_would_have_no_price_are_counted(story: Path, tmp_path: Path) -> None:
    for name, header in (
        ("components", "component_code,component_name,product_code,calls_per_price_unit,"
         "used_amount_unit,price_unit"),
        ("component_actions", "action,component_code,effective_from,known_from"),
        ("list_prices", "component_code,effective_from,known_from,list_price"),
    ):  # fmt: skip
        (tmp_path / f"{name}.csv").write_text(header + "\n")
    output = tmp_path / "answer.json"
    ended = simulate(story, f"--catalogue={tmp_path}", "--format=json", f"--output={output}")
    succeed(ended)
    # Of five calls one failed.
    sentence = (
        "Without a price, and in no bill: 4 call(s) that no component claims; in the books 0."
    )
    assert sentence in ended.stdout
    said = json.loads(output.read_text())
    assert said["unrated"] == [{"component_code": None, "calls": 0, "simulated_calls": 4}]
    assert bill_of(said) == ("0.00000000", "0.00")


def test_a_price_that_begins_later_leaves_calls_without_one(story: Path, tmp_path: Path) -> None:
    (tmp_path / "list_prices.csv").write_text(
        "component_code,effective_from,known_from,list_price\n"
        f"{COMPONENT},2026-03-02,2020-01-01,60\n"
    )
    said = answer(story, tmp_path / "out", f"--catalogue={tmp_path}", "--replace-contracts")
    assert said["unrated"] == [{"component_code": COMPONENT, "calls": 0, "simulated_calls": 2}]
    assert bill_of(said) == ("0.12000000", "0.12")


# --- the books are left alone ---


def bytes_of(place: Path) -> dict[str, tuple[object, ...]]:
    """Every file and folder: kind, permissions, time of change, content."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(place.rglob("*")):
        entry = path.lstat()
        content = ""
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = sha256(path.read_bytes()).hexdigest()
        found[path.relative_to(place).as_posix()] = (entry.st_mode, entry.st_mtime_ns, content)
    return found


def test_nothing_of_the_books_is_touched(story: Path, tmp_path: Path) -> None:
    """And the folder that a simulation works in is removed, whatever comes of it. With the
    warehouse, files that were moved away are not needed."""
    place = copy_of(story, tmp_path)
    shutil.rmtree(place / "landing" / "call_logs" / "arrived_on=2026-03-03")
    unused = catalogue_with_an_unused_claim(place, tmp_path / "catalogue")
    contract = given(tmp_path, f"{OWNER},{COMPONENT},2026-03-01,,,30")
    before = bytes_of(place)
    assert len(before) > 50
    temporary = tmp_path / "temporary"
    for number, (arguments, error) in enumerate(
        (
            (["--var=deduction_rounding=down", f"--contracts={contract}"], None),
            ([f"--catalogue={unused}", f"--site={tmp_path / 'site'}"], None),
            (["--owner=1"], "no bill of account 1 is sealed"),
            (
                ["--from-month=2026-05"],
                "there is no bill from 2026-05: those that are sealed are of 2026-03 to 2026-03",
            ),
        )
    ):
        seen = tmp_path / f"seen-{number}"
        watch = partial(watch_temporary_folder, temporary, seen)
        ended = callbill("simulate", *places(place), *arguments, before=watch)
        assert ended.returncode == (2 if error else 0), ended.stderr
        assert (error or "") in ended.stderr
        assert seen.read_text().startswith("callbill-simulate-")
        assert list(temporary.iterdir()) == []
    assert simulate(place, "--contracts", tmp_path / "none.csv").returncode == 2
    assert bytes_of(place) == before


@contextmanager
def in_use(place: Path) -> Iterator[None]:
    """Another process has the warehouse open for writing, as a run has."""
    code = (
        "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('open', flush=True);"
        " sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(place / "warehouse.duckdb")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None and holder.stdout.readline() == "open\n"
        try:
            yield
        finally:
            holder.communicate("\n")


def test_a_run_at_work_does_not_matter(story: Path, tmp_path: Path) -> None:
    place = copy_of(story, tmp_path)
    with in_use(place):
        said = answer(place, tmp_path / "said")
        assert said["notes"] == [
            "The warehouse is in use by a run: the landing folder was read again."
        ]
        check_gives_the_books(place, said)
        shutil.rmtree(place / "landing" / "call_logs" / "arrived_on=2026-03-03")
        ended = simulate(place)
    assert ended.returncode == 2
    assert "the warehouse is in use by a run, and without it: 1 file(s)" in ended.stderr
    assert "arrived_on=2026-03-03/calls.jsonl among them" in ended.stderr


def test_a_warehouse_that_is_no_use_does_not_matter(tmp_path: Path) -> None:
    """One that lacks the dates of a sealed candidate, a damaged one, a lost one."""
    place = copy_of(with_a_sealed_candidate(), tmp_path)
    release = Published(place / "published").require_current("")
    behind = why_not_readable(place / "warehouse.duckdb", release.manifest)
    assert behind is not None
    assert behind.english == (
        "The warehouse is behind the release: the landing folder was read again."
    )
    with (place / "warehouse.duckdb").open("r+b") as stream:
        stream.write(b"damaged " * 4000)
    said = answer(place, tmp_path / "damaged")
    assert said["notes"] == ["The warehouse is damaged: the landing folder was read again."]
    check_gives_the_books(place, said)
    lose_warehouse(place)
    said = answer(place, tmp_path / "lost")
    assert said["notes"] == ["The warehouse is not there: the landing folder was read again."]
    check_gives_the_books(place, said)
    assert not (place / "warehouse.duckdb").exists()


# --- what is asked wrongly ---


def test_a_place_without_a_release_has_nothing_to_simulate(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    ended = simulate(tmp_path)
    assert ended.returncode == 2
    assert "there is nothing to simulate before `callbill run` has sealed something" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["landing"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from-month=2026-04", "--to-month=2026-03"], "--from-month lies after --to-month"),
        (["--var=rounding=down"], "the nearest one is deduction_rounding"),
        (["--var=deduction_rounding"], "--var takes NAME=VALUE"),
        (["--var=deduction_rounding=up"], "'up' is neither half_up nor down"),
        (["--var=max_usage_age_days=few"], "'few' is not a number of days"),
        (["--var=billing_timezone=UTC"], "billing_timezone cannot be simulated"),
        (["--format=csv"], "--format csv needs --output FILE"),
        (["--output=x.csv"], "--output needs a --format"),
        (["--catalogue=nowhere"], "nowhere has no file of a catalogue"),
        (["--contracts=nowhere.csv"], "nowhere.csv cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_one_sentence(
    story: Path, arguments: list[str], sentence: str
) -> None:
    ended = simulate(story, *arguments)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_row_of_the_catalogue_that_is_not_valid_is_named(story: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dearer"
    folder.mkdir()
    (folder / "list_prices.csv").write_text(
        "component_code,effective_from,known_from,list_price\n"
        f"{COMPONENT},2020-01-01,2020-01-01,sixty\n"
    )
    ended = simulate(story, f"--catalogue={folder}")
    assert ended.returncode == 2
    assert "dearer/list_prices.csv, line 2, column list_price: sixty is not a price" in ended.stderr


def with_rejected_lines(story: Path) -> Path:
    """A folder with what a simulation says by contracts of which one line is right, and how it
    ended."""

    def make(folder: Path) -> None:
        file = given(
            folder,
            f"{OWNER},{COMPONENT},2026-03-01,,,30",
            f"{OWNER},{COMPONENT},2026-03-02,,1.5,",
            f"100000000099,{COMPONENT},2026-03-02,,0.5,",
            f"{OWNER},no_such_component,2026-03-02,,0.5,",
        )
        output = f"--output={folder / 'answer.json'}"
        ended = simulate(story, "--contracts", file, "--format=json", output)
        for name in ("returncode", "stdout", "stderr"):
            (folder / name).write_text(str(getattr(ended, name)))

    return make_once("simulated-with-rejected-lines", make)


def test_rejected_lines_are_shown_and_end_with_1(story: Path, tmp_path: Path) -> None:
    folder = with_rejected_lines(story)
    said = json.loads((folder / "answer.json").read_text())
    assert bill_of(said) == ("0.12000000", "0.12")
    [reject] = said["rejected_lines"]
    assert (reject["line"], reject["reason"]) == (3, "invalid_discount")
    assert said["notes"] == [
        "contracts: account 100000000099 has no calls, its lines change nothing.",
        "contracts: the catalogue has no component no_such_component, its lines change nothing.",
    ]
    assert (folder / "returncode").read_text() == "1"
    shown = f"Rejected: {folder / 'given.csv'}, line 3: invalid_discount"
    assert shown in (folder / "stdout").read_text()
    error = (folder / "stderr").read_text()
    assert "1 line(s) of the given files were rejected" in error
    none = given(tmp_path / "none", f"{OWNER},{COMPONENT},2026-03-01,,7,")
    sentence = "has no line that can be read: line 2 is rejected (invalid_discount)"
    ended = simulate(story, "--contracts", none)
    assert ended.returncode == 2
    assert sentence in ended.stderr


def test_nothing_is_written_among_the_books(story: Path, tmp_path: Path) -> None:
    for option in (
        f"--site={story / 'published' / 'what-if'}",
        f"--output={story / 'landing' / 'x.csv'}",
        f"--output={story / 'warehouse.duckdb'}",
    ):
        ended = simulate(story, option, *(["--format=csv"] if "output" in option else []))
        assert ended.returncode == 2
        assert "the books" in ended.stderr or "is the warehouse" in ended.stderr
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("kept")
    ended = simulate(story, f"--site={full}")
    assert ended.returncode == 2
    assert "there is something already" in ended.stderr
    assert (full / "mine.txt").read_text() == "kept"


# --- what it shows ---


def test_months_and_accounts_can_be_chosen(sample_place: Path, tmp_path: Path) -> None:
    said = of_the_sample(sample_place)
    assert {month["bill_month"][:7] for month in said["months"]} == {
        "2026-08",
        "2026-09",
        "2026-10",
    }
    some = answer(
        sample_place, tmp_path, f"--catalogue={SAMPLE / 'catalogue'}", "--from-month=2026-08",
        "--to-month=2026-09", "--owner=100000000002",
    )  # fmt: skip
    assert [(bill["bill_month"][:7], bill["owner_uin"]) for bill in some["bills"]] == [
        ("2026-08", "100000000002"),
        ("2026-09", "100000000002"),
    ]
    assert some["bills"] == [b for b in said["bills"] if b in some["bills"]]
    assert {line["owner_uin"] for line in some["lines"]} == {"100000000002"}


def test_every_format_says_the_same(story: Path, tmp_path: Path) -> None:
    """As JSON of the command does, and one simulation is written in the other formats."""
    said = json.loads((without_contracts(story) / "answer.json").read_text())
    what_if = WhatIf(replace_contracts=True)
    with simulated(settings_of(story), what_if, Reporter(json_logs=False)) as simulation:
        written = {
            form: write_comparison(simulation, form, tmp_path / f"w.{form}")
            for form in ("csv", "parquet", "xlsx")
        }
    with (tmp_path / "w-lines.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows == [
        {name: "" if value is None else str(value) for name, value in line.items()}
        for line in said["lines"]
    ]
    types = duckdb.sql(f"describe from '{tmp_path / 'w.parquet'}'").fetchall()
    assert dict(row[:2] for row in types)["simulated_rated_amount"] == "DECIMAL(38,8)"
    amounts = duckdb.sql(
        f"select difference::varchar from '{tmp_path / 'w-lines.parquet'}'"
    ).fetchall()
    assert [row[0] for row in amounts] == [line["difference"] for line in said["lines"]]
    book = openpyxl.load_workbook(tmp_path / "w.xlsx")
    assert book.sheetnames == ["bills", "lines"]
    assert book["lines"].max_row == len(said["lines"]) + 1
    assert written["csv"] == [tmp_path / "w.csv", tmp_path / "w-lines.csv"]


def test_the_page_has_the_figures_and_both_languages(story: Path) -> None:
    folder = without_contracts(story)
    site = folder / "what-if"
    written = f"{folder / 'answer.json'}\n{site / 'index.html'}\n"
    assert (folder / "said").read_text().endswith(written)
    facts = facts_of(site / "index.html")
    [bill] = facts["tables"]["bills"]
    assert (bill["deducted_amount"], bill["simulated_deducted_amount"]) == ("0.21", "0.24")
    assert facts["asked"] == [{"key": "no_contracts", "values": {}}]
    for remark in (*facts["asked"], *facts["notes"], *facts["leftOut"]):
        english, chinese = facts["texts"][f"remark_{remark['key']}"]
        assert english and chinese != english
    page = (site / "index.html").read_text()
    for script in ("site", "simulation", "download", "htm-preact"):
        assert f'src="assets/{script}.js' in page
        assert (site / "assets" / f"{script}.js").exists()
    assert not (site / "assets" / "bill.js").exists()


def test_what_a_simulation_says_of_itself_is_said_in_both_languages() -> None:
    said = yaml.safe_load(
        (PROJECT / "pipelines/callbill/release/site/remarks.yml").read_text(encoding="utf-8")
    )
    code = "".join(
        path.read_text() for path in (PROJECT / "pipelines/callbill/jobs/simulation").glob("*.py")
    )
    for key, (english, chinese) in said.items():
        assert english != chinese
        assert f'remark("{key}"' in code or f'"{key}"' in code or f'"{key}",' in code, key
