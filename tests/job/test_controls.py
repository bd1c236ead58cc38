"""For each control a planted fault that it must catch; the catalogue; the pages made of it."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from html import escape
from pathlib import Path

import pytest
from callbill.base.rules import DateRules, RuleRange
from callbill.base.settings import Settings, load_thresholds, load_vars
from callbill.quality.catalogue import CONTROLS, CatalogueError, catalogue, load_controls
from callbill.quality.due import variables
from callbill.quality.page import page

from tests.support.commands import run_job
from tests.support.faults import (
    AGREED,
    FAULTS,
    HOSTILE,
    LOST_USAGE,
    NIGHT,
    NIGHTS,
    SEALED,
    call,
    check_stopped,
    hash_of,
    night_before,
)
from tests.support.landing_files import json_lines, write
from tests.support.places import copy_of, last_run, query
from tests.support.project import PROJECT
from tests.support.project_copy import ProjectCopy
from tests.support.shared import make_once


@pytest.fixture(scope="module")
def before() -> Path:
    return night_before()


ERRORS = [control.id for control in catalogue().values() if control.severity == "error"]
WARNINGS = [control.id for control in catalogue().values() if control.severity == "warning"]


def test_each_control_has_a_fault() -> None:
    assert list(FAULTS) == list(catalogue())
    assert Counter(control_id for night in NIGHTS for control_id in night) == Counter(ERRORS)


@pytest.mark.parametrize("control_ids", NIGHTS, ids=lambda control_ids: control_ids[0])
def test_a_fault_is_caught(control_ids: tuple[str, ...], tmp_path: Path) -> None:
    """And nothing was published. All other controls pass, so each does in the nights of the others.
    A long campaign plants each in a night of its own."""
    is_with_lost_usage = "packages_hold_their_draws" in control_ids
    others = {"daily_usage_adds_up": LOST_USAGE} if is_with_lost_usage else {}
    check_stopped(tmp_path, *control_ids, others=others)


@pytest.fixture(scope="module")
def warned() -> Path:
    """A folder with the place in which all that deserves a warning was planted in one night, and
    what its run said."""

    def make(folder: Path) -> None:
        place = copy_of(night_before(), folder)
        project = ProjectCopy.in_folder(folder / "project")
        overrides: dict[str, int] = {}
        for control_id in WARNINGS:
            FAULTS[control_id].plant(place, project)
            overrides |= FAULTS[control_id].vars
        ended = project.run_job(place, "--through", NIGHT, "--vars", json.dumps(overrides))
        assert ended.returncode == 0, ended.stderr
        (folder / "said").write_text(ended.stdout)

    return make_once("night-of-warnings", make)


def test_what_deserves_a_warning_is_caught(before: Path, warned: Path) -> None:
    """All in one night: each control finds what is there for it, not what is there for another."""
    place = warned / "copy"
    expected: Counter[str] = Counter()
    for control_id in WARNINGS:
        expected += FAULTS[control_id].expected(control_id)
    found = query(
        place, "select control_id, unexpected_rows from ops.control_results where not passed"
    )
    assert dict(found) == expected
    assert set(last_run(place)["controls_failed"]) == set(WARNINGS)
    said = (warned / "said").read_text()
    for control_id in WARNINGS:
        assert control_id in said
    current = (before / "published" / "current").readlink()
    assert (place / "published" / "current").readlink() != current
    released = Path("published") / "releases" / current.name
    assert hash_of(place / released) == hash_of(before / released)


def test_files_that_are_gone_and_hours_of_a_day_that_came_late(
    before: Path, tmp_path: Path
) -> None:
    """Of a day that comes in parts, hours that were settled before are not missed."""
    place = copy_of(before, tmp_path)
    gone = "call_logs/arrived_on=2026-03-25/calls.jsonl"
    (place / "landing" / gone).unlink()
    used_on = SEALED - timedelta(days=5)
    late = [call(f"late-{n}", AGREED, used_on, called_at=f"{used_on}T12:00:00+08:00")
            for n in range(10)]  # fmt: skip
    write(place / "landing" / f"call_logs/arrived_on={NIGHT}/late.jsonl", json_lines(*late))
    ended = run_job(place, "--through", NIGHT, "--vars={hourly_check_min_records: 10}")
    assert ended.returncode == 0, ended.stderr
    samples = {
        control: json.loads(sample)
        for control, sample in query(
            place, "select control_id, sample from ops.control_results where not passed"
        )
    }
    assert samples.keys() == {"loaded_files_are_unchanged", "every_hour_has_records"}
    [file] = samples["loaded_files_are_unchanged"]
    assert (file["path"], file["finding"]) == (gone, "gone")
    [day] = samples["every_hour_has_records"]
    hours = ", ".join(str(hour) for hour in range(24) if hour not in (10, 12))
    assert (day["usage_date"], day["hours_without_any"]) == (str(used_on), hours)
    # Once is enough.
    ended = run_job(place, "--through", NIGHT + timedelta(days=1))
    assert "loaded_files_are_unchanged" not in last_run(place)["controls_failed"]


# --- the catalogue ---


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda folder: (folder / "line_arithmetic.sql").unlink(), "line_arithmetic has no"),
        (lambda folder: (folder / "another.sql").write_text("select 1"), "another.sql: "),
        (
            lambda folder: edit_texts(folder, "  severity: warning\n", "  severity: grave\n"),
            "contracts_are_for_known_components: severity is neither error nor warning",
        ),
        (
            lambda folder: edit_texts(folder, "  about: >-\n", "  abuot: >-\n"),
            "no_failed_call_billed: abuot is none of",
        ),
        (
            lambda folder: edit_texts(folder, "  severity: error\n", ""),
            "no_failed_call_billed: severity is missing",
        ),
        (
            lambda folder: edit_texts(folder, "No call is billed twice.", "12"),
            "no_call_billed_twice: sentence is no text",
        ),
        (
            lambda folder: edit_texts(
                folder, "- id: no_call_billed_twice\n", "- id: no_failed_call_billed\n"
            ),
            "no_failed_call_billed is there twice",
        ),
        (lambda folder: edit_texts(folder, "- id: no_call_billed_twice\n", "-\n"), "without id"),
    ],
)
def test_a_catalogue_that_is_incomplete_is_refused(
    edit: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "controls"
    shutil.copytree(CONTROLS, folder)
    assert load_controls(folder) == catalogue()
    edit(folder)
    with pytest.raises(CatalogueError, match=re.escape(message)) as refused:
        load_controls(folder)
    assert str(folder) in str(refused.value)


def edit_texts(folder: Path, old: str, new: str) -> None:
    """Replace what occurs first in the texts of controls."""
    texts = folder / "_controls.yml"
    before = texts.read_text()
    assert old in before
    texts.write_text(before.replace(old, new, 1))


def test_the_guide_names_all_variables_of_a_control() -> None:
    guide = (CONTROLS / "README.md").read_text().partition("## Variables")[2]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", guide, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    settings = Settings()
    values = variables(
        RuleRange(SEALED, NIGHT, DateRules()), load_vars(settings), load_thresholds(settings)
    )
    assert named == set(values)


def test_files_that_controls_name_exist() -> None:
    """A control that restates a rule says where the rule is."""
    paths = {
        path
        for control in catalogue().values()
        for path in re.findall(r"\b(?:macros|models)/[\w/]+\.sql", control.sql)
    }
    assert paths
    assert {path for path in paths if not (PROJECT / path).exists()} == set()


# --- pages ---


def test_the_page_shows_the_catalogue_that_runs() -> None:
    assert (PROJECT / "docs" / "controls.md").read_text() == page()


def test_data_docs_show_what_was_found_and_load_nothing(warned: Path) -> None:
    release = warned / "copy" / "published" / "current"
    page = (release / "site" / "controls" / "index.html").read_text()
    assert page.count("<script") == 0
    assert not re.search(r"""(src|href)=["'](?!#|data:,"|\.\./runs)""", page)
    assert escape(HOSTILE, quote=False) in page
    assert "request_ids_are_of_one_account (warning)" in page
    for entry in catalogue().values():
        assert entry.id in page
