"""Nights run what dbt compiled once; what cannot be compiled or built ends with a sentence."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.commands import settle, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import copy_of, figures
from tests.support.project import PROJECT
from tests.support.project_copy import ProjectCopy
from tests.support.shared import make_once

FIRST, SECOND = "2026-03-03", "2026-03-04"


def land(place: Path) -> None:
    for day, before in ((FIRST, "2026-03-02"), (SECOND, "2026-03-03")):
        write(
            place / f"landing/call_logs/arrived_on={day}/calls.jsonl",
            json_lines(record(day, called_at=f"{before}T10:00:00+08:00")),
        )


def settle_the_first(place: Path) -> None:
    land(place)
    settle(place, FIRST)


@pytest.fixture(scope="module")
def after_the_first() -> Path:
    """A place after its first night."""
    return make_once("after-the-first-night", settle_the_first)


def plans(place: Path) -> dict[str, int]:
    """The compiled models that a warehouse has, with the time of their files."""
    folder = place / "warehouse.duckdb.files" / "dbt" / "plans"
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_models_are_compiled_again_only_if_they_have_changed(
    after_the_first: Path, tmp_path: Path
) -> None:
    project = ProjectCopy.in_folder(tmp_path / "project")
    place = copy_of(after_the_first, tmp_path)
    [(name, at)] = plans(place).items()
    succeed(project.run_job(place, "--through", FIRST))
    assert plans(place) == {name: at}
    project.edit("models/marts/settlements.sql", "with ", "-- another text\nwith ", is_sql=True)
    succeed(project.run_job(place, "--through", SECOND))
    [another] = plans(place)
    assert another != name


def test_models_ask_for_vars_in_their_sql_alone() -> None:
    """What dbt parses is the same whatever they are, and runs of tests count on it."""
    for path in (PROJECT / "dbt_project.yml", *(PROJECT / "models").rglob("*.yml")):
        assert "var(" not in path.read_text("utf-8"), path
    for folder in ("models", "macros"):
        for path in (PROJECT / folder).rglob("*.sql"):
            blocks = re.findall(r"\{[{%].*?[}%]\}", path.read_text("utf-8"), re.DOTALL)
            for block in blocks:
                if re.search(r"\bvar\(", block):
                    assert not re.search(r"\b(config|ref|source|if)\b", block), path


def test_a_damaged_plan_is_compiled_again(after_the_first: Path, tmp_path: Path) -> None:
    place = copy_of(after_the_first, tmp_path)
    [name] = plans(place)
    path = place / "warehouse.duckdb.files" / "dbt" / "plans" / name
    path.write_text("{")
    settle(place, SECOND)
    assert figures(place)["through"] == SECOND


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        (
            "models/marts/_billing__models.yml",
            "      - name: residual_amount\n",
            "      - name: memo\n        data_type: varchar\n      - name: residual_amount\n",
            "model settlements was not built: column memo is missing, its contract says VARCHAR",
        ),
        (
            "models/marts/settlements.sql",
            " as residual_amount\n    from deducted",
            "::double as residual_amount\n    from deducted",
            "column residual_amount is DOUBLE, its contract says DECIMAL(38,8)",
        ),
        (
            "models/marts/settlements.sql",
            "with ",
            "{{ ref('no_such_model') }} with ",
            "dbt stopped: Compilation Error",
        ),
        (
            "models/marts/settlements.sql",
            " as residual_amount\n    from deducted",
            " as residual_amount, nothing\n    from deducted",
            'model settlements was not built: Binder Error: Referenced column "nothing"',
        ),
    ],
)
def test_a_model_that_is_not_as_it_should_be_ends_the_run(
    tmp_path: Path, file: str, old: str, new: str, sentence: str
) -> None:
    place = tmp_path
    land(place)
    project = ProjectCopy.in_folder(place / "project")
    project.edit(file, old, new, is_sql=file.endswith(".sql") and "{" not in new)
    ended = project.run_job(place, "--through", FIRST)
    assert ended.returncode == 4, ended.stderr
    assert sentence in ended.stderr
    assert not os.path.lexists(place / "published" / "current")
