"""Archived call logs where prices depend on how much, and on what accounts are: steps, packages,
waivers and account attributes reach back into what was archived."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from callbill.base.settings import load_settings
from callbill.queries.explain import explain_line, explain_request, line, request
from callbill.queries.explain.books import open_books

from tests.support.commands import callbill, succeed
from tests.support.places import copy_of, figures, lose_warehouse, query
from tests.support.shared import make_once
from tests.support.story import OWNER, land, record

FAILED = {"error_code": "InternalError"}
PAGE, CARD, PRO = ({"action": action} for action in ("RecognizePage", "RecognizeCard", "SearchPro"))
CATALOGUE = {
    "products.csv": "ocr,文字识别\nwsa,联网搜索\n",
    "components.csv": (
        "ocr_page,单页识别,ocr,1000,千次,元/千次\n"
        "ocr_card,卡证识别,ocr,1000,千次,元/千次\n"
        "wsa_standard,标准版,wsa,1000,千次,元/千次\n"
        "wsa_flagship,尊享版,wsa,1000,千次,元/千次\n"
    ),
    "component_actions.csv": (
        "RecognizePage,ocr_page,,,\n"
        "RecognizeCard,ocr_card,,,\n"
        "SearchPro,wsa_standard,,,edition=standard\n"
        "SearchPro,wsa_flagship,,,edition=flagship\n"
    ),
    "list_prices.csv": (
        "ocr_page,2026-01-01,2026-01-01,60,0,month\n"
        "ocr_page,2026-01-01,2026-01-01,40,3,month\n"
        "ocr_card,2026-01-01,2026-01-01,60,,\n"
        "wsa_standard,2026-01-01,2026-01-01,46,,\n"
        "wsa_flagship,2026-01-01,2026-01-01,80,,\n"
        # Known later: another ladder, which re-rates what was archived.
        "ocr_page,2026-03-01,2026-03-06,50,0,month\n"
        "ocr_page,2026-03-01,2026-03-06,30,6,month\n"
    ),
}
PACKAGES = "package_id,owner_uin,component_code,calls,valid_from,valid_to\n"
WAIVERS = "waiver_id,owner_uin,usage_date,component_code,calls,request_id,reason\n"
ATTRIBUTES = "owner_uin,attribute,value,effective_from\n"


def used(day: int, minute: int = 0) -> str:
    return f"2026-03-{day:02d}T10:{minute:02d}:00+08:00"


def calls(name: str, day: int, count: int, **fields: object) -> list[str]:
    return [record(f"{name}-{n}", used(day, n), **fields) for n in range(count)]


def deliver(place: Path, feed: str, arrived_on: str, content: str) -> None:
    folder = place / f"landing/{feed}/arrived_on={arrived_on}"
    folder.mkdir(parents=True)
    (folder / "delivery.csv").write_text(content)


def run(place: Path, through: str) -> None:
    succeed(callbill("run", "--through", through, cwd=place))


def make_days(folder: Path) -> None:
    """A place that is sealed through 4 March."""
    succeed(callbill("init", "acme", cwd=folder))
    place = folder / "acme"
    for name, rows in CATALOGUE.items():
        with (place / "catalogue" / name).open("a") as stream:
            stream.write(rows)
    deliver(place, "packages", "2026-03-01",
            PACKAGES + f"card-3,{OWNER},ocr_card,3,2026-03-01,2026-04-01\n")  # fmt: skip
    deliver(place, "account_attributes", "2026-03-01",
            ATTRIBUTES + f"{OWNER},edition,flagship,2026-03-01\n")  # fmt: skip
    land(
        place,
        "2026-03-02",
        *calls("page", 1, 5, **PAGE),
        *calls("card", 1, 5, **CARD),
        *calls("pro", 1, 2, **PRO),
        *calls("own", 1, 1, **PRO, edition="standard"),
    )
    deliver(place, "waivers", "2026-03-03",
            WAIVERS + f"w-1,{OWNER},2026-03-01,ocr_page,1,,load test\n")  # fmt: skip
    land(place, "2026-03-03", *calls("later", 2, 2, **PAGE))
    run(place, "2026-03-04")


def first_night(place: Path) -> None:
    """Calls of before fail or come again, and each feed says something else of them."""
    land(
        place,
        "2026-03-05",
        record("page-1", used(1, 1), **PAGE, **FAILED),
        record("card-4", used(1, 4), **CARD, **FAILED),
        record("pro-0", used(1), **PRO),
        record("own-0", used(1), **PRO, edition="standard", **FAILED),
        *calls("new", 4, 2, **PAGE),
        *calls("drawn", 4, 2, **CARD),
        *calls("late", 2, 1, **PAGE),
        *calls("pro-new", 4, 1, **PRO),
    )
    deliver(place, "packages", "2026-03-05",
            PACKAGES + f"card-3,{OWNER},ocr_card,4,2026-03-01,2026-04-01\n")  # fmt: skip
    deliver(place, "waivers", "2026-03-05",
            WAIVERS + f"w-2,{OWNER},2026-03-02,ocr_page,,later-0,goodwill\n")  # fmt: skip
    deliver(place, "account_attributes", "2026-03-05",
            ATTRIBUTES + f"{OWNER},edition,standard,2026-03-01\n")  # fmt: skip
    run(place, "2026-03-05")


def second_night(place: Path) -> None:
    """The ladder is another, and more of the calls before turn out to have failed: one of the
    package, and the one that was waived."""
    land(
        place,
        "2026-03-06",
        *(record(f"card-{n}", used(1, n), **CARD, **FAILED) for n in range(3)),
        record("later-0", used(2), **PAGE, **FAILED),
        *calls("newest", 5, 2, **CARD),
    )
    run(place, "2026-03-06")


NIGHTS: dict[str, Callable[[Path], None]] = {"first": first_night, "second": second_night}


@pytest.fixture(scope="module")
def days() -> Path:
    return make_once("days-of-quantities", make_days) / "acme"


@pytest.fixture(scope="module")
def not_archived(days: Path) -> Path:
    """A folder with the place in which nothing was archived, and its figures after each night."""
    return make_once("nights-of-quantities", partial(settle_nights, days))


@pytest.fixture(scope="module")
def archived(days: Path) -> Path:
    """The place with its call logs archived and away."""

    def make(folder: Path) -> None:
        place = copy_of(days, folder)
        to = f"--to={folder / 'archive'}"
        succeed(callbill("archive", "--before=2026-03-04", to, cwd=place))
        assert not list((place / "landing/call_logs").rglob("*.jsonl"))

    return make_once("days-of-quantities-archived", make) / "copy"


@pytest.fixture(scope="module")
def gone_on(archived: Path) -> Path:
    """A folder with the same place after both nights, and its figures after each."""
    return make_once("nights-of-archived-quantities", partial(settle_nights, archived))


def settle_nights(place: Path, folder: Path) -> None:
    copy = copy_of(place, folder)
    for name, settle in NIGHTS.items():
        settle(copy)
        (folder / name).write_text(json.dumps(figures(copy)))
        if name == "first":
            shutil.copytree(copy, folder / "after-first", symlinks=True)


def figures_after(not_archived: Path, night: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((not_archived / night).read_text())
    return content


def lines(place: Path) -> list[str]:
    rows = query(
        place,
        "select day(settled_on), day(usage_date), component_code, line_type,"
        " coalesce('after ' || tier_from, package_id, waiver_id), sum(calls)::int"
        " from billing.bill_lines where settled_on > date '2026-03-04'"
        " group by all having sum(calls) <> 0 order by all",
    )
    return [" ".join(map(str, row)) for row in rows]


def test_the_nights_reach_into_what_was_archived(not_archived: Path) -> None:
    """Else the tests below would show less than they seem to."""
    found = lines(not_archived / "copy")
    for said in (
        # A call fails: the topmost step is freed, and money comes back before calls of a package.
        "5 1 ocr_page correction after 3 -1",
        "5 1 ocr_card correction None -1",
        "6 1 ocr_card correction card-3 -2",
        # The package was 3 calls, all drawn on archived ones, and is 4 now; then 2 came back.
        "5 4 ocr_card usage card-3 1",
        "6 5 ocr_card usage card-3 2",
        # An archived call is waived, which fails later: nothing is given back twice.
        "5 2 ocr_page correction after 3 -1",
        # Places on the ladder count on, and another ladder re-rates what was archived.
        "5 2 ocr_page late_usage after 3 1",
        "6 2 ocr_page rerating after 3 -2",
        # The account's edition is another, and moves no call that was charged.
        "5 4 wsa_standard usage None 1",
    ):
        assert said in found
    assert not [line for line in found if "wsa_flagship" in line]
    assert not [line for line in found if line.startswith("6 2 ocr_page correction")]


def check_verified(place: Path) -> None:
    ended = callbill("verify", cwd=place)
    succeed(ended)
    assert "2 files are archived and away. Their 15 records" in " ".join(ended.stdout.split())


def test_nights_come_to_the_same(not_archived: Path, gone_on: Path) -> None:
    for name in NIGHTS:
        assert figures_after(gone_on, name) == figures_after(not_archived, name)


def test_nights_come_to_the_same_without_the_warehouse(
    gone_on: Path, not_archived: Path, tmp_path: Path
) -> None:
    """It is lost after the first night, which is settled again: it has to say what it said."""
    place = copy_of(gone_on / "after-first", tmp_path)
    lose_warehouse(place)
    second_night(place)
    assert figures(place) == figures_after(not_archived, "second")
    check_verified(place)


def test_each_line_is_explained_as_where_nothing_was_archived(
    gone_on: Path, not_archived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = query(
        gone_on / "copy", "select min(line_id) from billing.bill_lines"
        " group by component_code, line_type, package_id, waiver_id, tier_from",
    )  # fmt: skip
    assert len(kinds) > 10
    here, there = (
        load_settings(
            landing=place / "landing",
            warehouse=place / "warehouse.duckdb",
            published=place / "published",
        )
        for place in (gone_on / "copy", not_archived / "copy")
    )
    # To open the books of a place takes longer than to look something up in them.
    with open_books(here) as books_here, open_books(there) as books_there:
        opened = {here.landing: books_here, there.landing: books_there}
        for module in (line, request):
            monkeypatch.setattr(
                module, "open_books", lambda settings: nullcontext(opened[settings.landing])
            )
        for (line_id,) in kinds:
            explained = [explain_line(one, line_id, limit=None) for one in (here, there)]
            assert explained[0] == explained[1]
        for name in ("card-0", "later-0", "pro-0", "own-0", "page-4"):
            assert explain_request(here, name) == explain_request(there, name)
