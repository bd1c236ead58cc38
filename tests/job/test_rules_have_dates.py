"""Rules have dates: a new version of a rule, or of the catalogue, changes nothing that is sealed.

A newer version of each is made up here: of reading (version 3: an action is taken in lower case,
usage may be a week ahead), of billing (usage of more than a day ago is too old) and of hashes (a
column is added to a mart).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from callbill.base import rules
from callbill.base.rules import DateRules, RuleRange, as_rule_ranges, rules_by_date
from callbill.release import hashes

from tests.support.commands import callbill, settle, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import copy_of, lose_warehouse, manifest, places, query, query_warehouse
from tests.support.project_copy import ProjectCopy
from tests.support.shared import make_once


def land(place: Path, day: int, *names: str, **fields: object) -> None:
    """Calls used on the day before that day of March, arrived on it."""
    used_at = f"2026-03-{day - 1:02d}T10:00:00+08:00"
    calls = (record(f"{name}-{day}", **{"called_at": used_at, **fields}) for name in names)
    path = f"landing/call_logs/arrived_on=2026-03-{day:02d}/{'-'.join(names)}.jsonl"
    write(place / path, json_lines(*calls))


def rebuilt_hashes(
    place: Path, project: ProjectCopy, before: Callable[[], None] | None = None
) -> dict[str, str]:
    """The hashes that a rebuild finds, which stops unless they are those that were sealed."""
    lose_warehouse(place)
    succeed(callbill("rebuild", *places(place), project=project.folder, before=before))
    with duckdb.connect(str(place / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute("select settled_on, content_hash from ops.settlement_hashes").fetchall()
    return {str(day): content_hash for day, content_hash in rows}


# --- rules of a later version --------------------------------------------------------------------


def by_later_versions() -> None:
    """Have this process read, bill and hash by made-up versions."""
    rules.READING_RULES = rules.BILLING_RULES = 4
    rules.HASH_RECIPE = 2
    hashes.LATER_COLUMNS["settlements"] = {"memo": 2}


AGAIN = "call_logs/arrived_on=2026-03-02/again.jsonl"
LATE = {"called_at": "2026-02-25T10:00:00+08:00"}
ALL_SEALED = "2026-03-05"


@pytest.fixture(scope="module")
def by_later_rules() -> Path:
    """A folder with a project that has a version 4 of two rules and a mart with a column more, and
    a place that was settled by version 3 first, then by all that is later.

    Version 4 of reading takes an action in lower case, and usage of a week ahead; by it a line of
    before was read again. By version 4 of billing usage is too old after a day.
    """

    def make(folder: Path) -> None:
        project = ProjectCopy.in_folder(folder / "project")
        judge = "pipelines/callbill/ingest/feeds/call_logs/judge.sql"
        project.edit(
            judge,
            "        action,\n        region,",
            "        {{ \"'SearchByText' as action\" if reading_rules >= 4 else 'action' }},\n"
            "        region,",
        )
        project.edit(
            judge,
            "usage_date > arrived_on + 1 then",
            "usage_date > arrived_on + {{ 7 if reading_rules >= 4 else 1 }} then",
        )
        project.edit(
            "models/staging/stg_call_logs.sql",
            "{{ var('max_usage_age_days') | int }} as is_too_old",
            "{{ 1 if billing_rules() >= 4 else var('max_usage_age_days') | int }} as is_too_old",
        )
        place = folder / "place"
        land(place, 2, "a", action="searchbytext")
        land(place, 2, "ok")
        land(place, 2, "late", **LATE)
        good = record("good", called_at="2026-03-01T10:00:00+08:00")
        bad = record("bad", called_at="2026-03-04T10:00:00+08:00", action="searchbytext")
        write(place / "landing" / AGAIN, json_lines(good, bad))
        succeed(project.run_job(place, "--through", "2026-03-03"))
        (folder / "first.json").write_text(json.dumps(manifest(place)["settlement_hashes"]))
        land(place, 4, "b", action="searchbytext")
        land(place, 4, "ok")
        land(place, 4, "late", **LATE)
        retry = ("retry", AGAIN, *places(place))
        ended = callbill(*retry, project=project.folder, before=by_later_versions)
        succeed(ended)
        assert "1 are accepted" in ended.stdout
        project.edit(
            "models/marts/settlements.sql",
            " as residual_amount\n    from deducted",
            " as residual_amount,\n        'daily' as memo\n    from deducted",
        )
        project.edit(
            "models/marts/_billing__models.yml",
            "      - name: residual_amount\n",
            "      - name: memo\n        data_type: varchar\n      - name: residual_amount\n",
        )
        with duckdb.connect(str(place / "warehouse.duckdb")) as con:
            con.execute("alter table billing.settlements add column memo varchar")
        succeed(project.run_after(by_later_versions, place, "--through", ALL_SEALED))

    return make_once("by-later-rules", make)


@pytest.fixture(scope="module")
def rebuilt(by_later_rules: Path) -> Path:
    """The place after a rebuild that found the hashes that were sealed."""

    def make(folder: Path) -> None:
        place = copy_of(by_later_rules / "place", folder)
        project = ProjectCopy(by_later_rules / "project")
        sealed = manifest(place)["settlement_hashes"]
        assert rebuilt_hashes(place, project, by_later_versions) == sealed

    return make_once("by-later-rules-rebuilt", make) / "copy"


def rows_of(place: Path, sql: str) -> dict[str, Any]:
    return dict(query_warehouse(place, sql))


DISPOSITIONS = "select request_id, disposition from billing.calls"


def test_a_file_is_read_by_the_rules_that_it_was_first_read_by(by_later_rules: Path) -> None:
    place = by_later_rules / "place"
    found = dict(query(place, DISPOSITIONS))
    assert (found["a-2"], found["b-4"]) == ("unrated", "billed")
    versions = {
        load["path"].partition("=")[2]: load["reading_rules"] for load in manifest(place)["loads"]
    }
    assert versions == {
        **{f"2026-03-02/{name}.jsonl": 3 for name in ("a", "again", "late", "ok")},
        **{f"2026-03-04/{name}.jsonl": 4 for name in ("b", "late", "ok")},
    }


def test_lines_read_again_are_read_by_the_rules_of_that_day(by_later_rules: Path) -> None:
    place = by_later_rules / "place"
    found = dict(query(place, DISPOSITIONS))
    assert (found["good"], found["bad"]) == ("billed", "billed")
    [load] = [load for load in manifest(place)["loads"] if load["path"] == AGAIN]
    assert load["reading_rules"] == 3
    assert [retry["reading_rules"] for retry in load["retries"]] == [4]


def test_a_rebuild_reads_each_line_by_the_rules_that_it_was_read_by(
    by_later_rules: Path, rebuilt: Path
) -> None:
    """Else other calls were billed."""
    actions = "select request_id, action from raw.call_logs"
    assert rows_of(rebuilt, actions) == rows_of(by_later_rules / "place", actions)


def test_a_load_keeps_the_hash_of_its_shape(sample_place: Path) -> None:
    loads = manifest(sample_place)["loads"]
    hashes_of: dict[str, set[str | None]] = {}
    for load in loads:
        key = load["format"] if load["feed"] == "call_logs" else load["feed"]
        hashes_of.setdefault(key, set()).add(load["shape_sha256"])
    assert all(len(some) == 1 for some in hashes_of.values())
    of_shapes = [hashes_of[name] for name in ("canonical", "cloudaudit", "envelope")]
    assert len({next(iter(some)) for some in of_shapes}) == 3
    assert hashes_of["contracts"] == {None}  # its fields are under their own names


def test_a_sealed_date_is_billed_by_the_rules_it_was_sealed_with(
    by_later_rules: Path, rebuilt: Path
) -> None:
    place = by_later_rules / "place"
    of_rules = f"{DISPOSITIONS} where request_id like 'ok-%' or request_id like 'late-%'"
    for calls in (query(place, of_rules), query_warehouse(rebuilt, of_rules)):
        assert sorted(calls) == [
            ("late-2", "billed"),
            ("late-4", "too_old"),
            ("ok-2", "billed"),
            ("ok-4", "billed"),
        ]
    assert manifest(place)["rules"] == [
        {"from": "2026-03-02", "billing_rules": 3, "hash_recipe": 1},
        {"from": "2026-03-04", "billing_rules": 4, "hash_recipe": 2},
    ]
    last_run = "run_id = (select max(run_id) from ops.runs)"
    [(controls, all_passed)] = query_warehouse(
        rebuilt,
        "select count(*), bool_and(passed) from ops.control_results"
        f" where severity = 'error' and {last_run}",
    )
    [(by_catalogue,)] = query_warehouse(
        rebuilt, f"select count(distinct control_id) from ops.control_results where {last_run}"
    )
    assert all_passed
    assert 0 < controls < by_catalogue  # each control once, though two stretches were checked


def test_a_later_column_enters_the_hashes_of_later_dates_only(
    by_later_rules: Path, rebuilt: Path
) -> None:
    """A rebuild fills it on all dates, and finds the same hashes."""
    first = json.loads((by_later_rules / "first.json").read_text())
    sealed = manifest(by_later_rules / "place")["settlement_hashes"]
    assert sealed.items() > first.items()
    assert (list(first)[-1], list(sealed)[-1]) == ("2026-03-03", ALL_SEALED)
    found = rows_of(
        rebuilt,
        "select day::varchar, total from ops.fingerprints where table_name = 'settlements'",
    )
    with duckdb.connect(str(rebuilt / "warehouse.duckdb"), read_only=True) as con:
        described = con.execute("describe billing.settlements").fetchall()
    columns = [(name, type_) for name, type_, *_ in described]
    without = [column for column in columns if column[0] != "memo"]
    assert len(columns) == len(without) + 1
    for covered, is_later in ((without, False), (columns, True)):
        total = f"sum({hashes.row_hash_sql(covered)}::hugeint)"
        totals = f"select settled_on::varchar, {total} from billing.settlements group by 1"
        for day, hashed in rows_of(rebuilt, totals).items():
            assert (hashed == found[day]) == (is_later == (day not in first)), day
    assert query_warehouse(rebuilt, "select distinct memo from billing.settlements") == [
        ("daily",)
    ]  # fmt: skip


# --- the catalogue -------------------------------------------------------------------------------


def make_sealed_place(place: Path) -> None:
    """Calls of an action that nobody claims, and of one that is billed, sealed through 3 March. One
    call came again with yet another action."""
    land(place, 2, "a")
    land(place, 2, "u", "v", action="SearchByImage")
    again = record("v-2", called_at="2026-03-01T10:00:00+08:00", action="SearchBySound")
    write(place / "landing/call_logs/arrived_on=2026-03-03/again.jsonl", json_lines(again))
    settle(place, "2026-03-03")


@pytest.fixture
def sealed_place(tmp_path: Path) -> tuple[Path, ProjectCopy]:
    project = ProjectCopy.in_folder(tmp_path / "project")
    return copy_of(make_once("sealed-place", make_sealed_place), tmp_path), project


def add_row(project: ProjectCopy, seed: str, row: str) -> None:
    path = project.folder / "seeds" / f"{seed}.csv"
    path.write_text(path.read_text() + row + "\n")


def counts_from(place: Path) -> dict[tuple[str, ...], str]:
    rows: list[dict[str, Any]] = manifest(place)["counts_from"]
    return {(row["seed"], *row["row"]): row["counts_from"] for row in rows}


CLAIM = ("component_actions", "SearchByImage", "wimgs_search_by_text")
UNUSED_CLAIM = "SearchByVoice,wimgs_search_by_text,,"
PRICE = ("list_prices", "wimgs_search_by_text", "2026-03-01", "2026-03-02", "70.00000000")


@pytest.fixture(scope="module")
def grown() -> Path:
    """A folder with a project whose catalogue has grown since 3 March, the place that was settled
    with it through 5 March, and what that run said."""

    def make(folder: Path) -> None:
        project = ProjectCopy.in_folder(folder / "project")
        place = copy_of(make_once("sealed-place", make_sealed_place), folder)
        add_row(project, "component_actions", "SearchByImage,wimgs_search_by_text")
        add_row(project, "component_actions", UNUSED_CLAIM)
        add_row(project, "list_prices", "wimgs_search_by_text,2026-03-01,2026-03-02,70")
        land(place, 4, "u", action="SearchByImage")
        ended = project.run_job(place, "--through", "2026-03-05")
        succeed(ended)
        (folder / "said").write_text(ended.stderr)
        (folder / "warned").write_text(ended.stdout)

    return make_once("grown-catalogue", make)


@pytest.fixture
def grown_place(grown: Path, tmp_path: Path) -> tuple[Path, ProjectCopy]:
    """A copy of both, to go on with."""
    project = ProjectCopy(Path(shutil.copytree(grown / "project", tmp_path / "project")))
    return copy_of(grown / "copy", tmp_path), project


def test_a_claim_that_is_added_counts_from_the_first_date_that_is_not_sealed(grown: Path) -> None:
    place = grown / "copy"
    row = "seed=component_actions  row=SearchByImage,wimgs_search_by_text"
    said = (grown / "said").read_text()
    assert f"new in the catalogue: {row}  counts_from=2026-03-04" in said
    dispositions = "select request_id, disposition from billing.calls order by all"
    assert query(place, dispositions) == [
        ("a-2", "billed"),
        ("u-2", "billed"),  # it waited
        ("u-2", "unrated"),
        ("u-4", "billed"),
        ("v-2", "unrated"),  # it has another action too, see below
        ("v-2", "unrated"),
    ]
    before = manifest(make_once("sealed-place", make_sealed_place))["settlement_hashes"]
    assert manifest(place)["settlement_hashes"].items() > before.items()
    assert counts_from(place)[CLAIM] == "2026-03-04"


def test_a_price_that_is_added_late_re_rates_from_then_on(grown: Path) -> None:
    place = grown / "copy"
    lines = query(
        place,
        "select settled_on, line_type, calls, list_price::varchar from billing.bill_lines"
        " order by all",
    )
    d = date.fromisoformat
    assert lines == [
        (d("2026-03-02"), "usage", 1, "60.00000000"),
        (d("2026-03-04"), "late_usage", 1, "70.00000000"),
        (d("2026-03-04"), "rerating", -1, "60.00000000"),
        (d("2026-03-04"), "rerating", 1, "70.00000000"),
        (d("2026-03-04"), "usage", 1, "70.00000000"),
    ]
    assert counts_from(place)[PRICE] == "2026-03-04"
    [(line_id,)] = query(
        place,
        "select line_id from billing.bill_lines where line_type = 'rerating' and list_price = 70",
    )
    explained = callbill("explain", line_id, *places(place), project=grown / "project")
    assert "known from 2026-03-04 on" in explained.stdout, explained.stderr


def test_what_the_catalogue_says_later_is_verified_and_rebuilt_from_its_dates(
    grown_place: tuple[Path, ProjectCopy],
) -> None:
    place, project = grown_place
    succeed(callbill("verify", *places(place), project=project.folder))
    sealed = manifest(place)["settlement_hashes"]
    assert rebuilt_hashes(place, project) == sealed


def test_a_claim_that_no_call_has_used_yet_may_be_removed(
    grown_place: tuple[Path, ProjectCopy],
) -> None:
    """The dates of the other rows stay, whatever is sealed since."""
    place, project = grown_place
    project.edit("seeds/component_actions.csv", f"{UNUSED_CLAIM}\n", "")
    ended = project.run_job(place, "--through", "2026-03-06")
    succeed(ended)
    assert "new in the catalogue" not in ended.stderr
    assert counts_from(place)[CLAIM] == "2026-03-04"


def test_a_claim_that_calls_had_waited_for_may_not_be_removed(
    grown_place: tuple[Path, ProjectCopy],
) -> None:
    place, project = grown_place
    row = "SearchByImage,wimgs_search_by_text"
    project.edit("seeds/component_actions.csv", f"{row}\n", "")
    ended = project.run_job(place, "--through", "2026-03-06")
    assert ended.returncode == 2
    assert f"seeds/component_actions.csv: row {row} was removed or edited" in ended.stderr


@pytest.mark.parametrize(
    ("seed", "old", "new"),
    [
        ("list_prices", "60.00000000", "61.00000000"),
        ("component_actions", "SearchByText,wimgs_search_by_text,,,\n", ""),
        ("components", "1000,", "100,"),
    ],
)
def test_a_row_that_sealed_dates_used_may_be_neither_edited_nor_removed(
    sealed_place: tuple[Path, ProjectCopy], seed: str, old: str, new: str
) -> None:
    place, project = sealed_place
    project.edit(f"seeds/{seed}.csv", old, new)
    ended = project.run_job(place, "--through", "2026-03-04")
    assert ended.returncode == 2
    assert f"seeds/{seed}.csv: row" in ended.stderr
    assert "was removed or edited" in ended.stderr


def test_calls_that_a_new_claim_leaves_out_are_counted(grown: Path) -> None:
    """Of the same call there is another action, which no component claims."""
    warning = "1 earlier call(s) of the action SearchByImage stay out of the bill"
    assert (grown / "warned").read_text().count(warning) == 1
    # Of the three others.
    billed = "select sum(calls) from billing.bill_lines"
    assert query(grown / "copy", billed) == [(3,)]


# --- ranges --------------------------------------------------------------------------------------


def test_ranges_of_rules_hold_each_date() -> None:
    first, second = DateRules(1, 1), DateRules(2, 1)
    days = [date(2026, 3, n) for n in range(1, 7)]
    by_date = dict(zip(days, [first, first, second, second, first, first], strict=True))
    ranges = as_rule_ranges(by_date)
    assert ranges == [
        RuleRange(days[0], days[1], first),
        RuleRange(days[2], days[3], second),
        RuleRange(days[4], days[5], first),
    ]
    assert rules_by_date(ranges, days) == by_date
    # A manifest that names no rules is of before there were versions.
    assert rules_by_date([], days) == dict.fromkeys(days, DateRules(1, 1))
