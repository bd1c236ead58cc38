"""What dbt makes of the models, which takes seconds: lent to every run of a test session.

Plans are kept by the name that the product gives them, so a project that was changed has its own.
For those, dbt parses only what has changed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from callbill.base.settings import BillingVars
from callbill.release import site
from callbill.release.site import dbt_docs
from callbill.storage.files import link_or_copy
from callbill.warehouse import dbt, plan
from callbill.warehouse.layout import Layout
from callbill.warehouse.plan import Plan, Window

from tests.support.project import PROJECT
from tests.support.shared import make_once

_NAME = "partial_parse.msgpack"
# In a copy of the project: what was edited in it.
_EDITS = "edits.json"
_compile_plan = plan.compile_plan
_run_dbt = dbt.run_dbt
_write_dbt_docs = dbt_docs.write_dbt_docs


def parsed_models() -> Path:
    """The models as dbt parsed them."""

    def parse(folder: Path) -> None:
        command = [sys.executable, "-m", "tests.support.parse", str(folder / _NAME)]
        # Whoever asks first may try a setting that is refused.
        usual = {k: v for k, v in os.environ.items() if not k.startswith("CALLBILL_")}
        subprocess.run(command, cwd=PROJECT, check=True, env=usual)

    return make_once("parsed", parse) / _NAME


def lend(parsed: Path) -> None:
    """Lend them to this process, from where the session has them."""

    def parsed_with(billing_vars: BillingVars) -> Path:
        """With other vars everything is parsed again, so that is kept too."""
        return parsed.with_name(f"{plan.project_hash(billing_vars)}.msgpack")

    def run_dbt(database: Path, folder: Path, billing_vars: BillingVars, *command: str) -> Path:
        target = folder / "target" / _NAME
        kept = parsed_with(billing_vars)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kept if kept.exists() else parsed, target)
        made = _run_dbt(database, folder, billing_vars, *command)
        if not kept.exists():
            _keep(kept, target.read_bytes())
        return made

    def compile_plan(layout: Layout, billing_vars: BillingVars, window: Window) -> Plan:
        kept = parsed.with_name(plan.plan_name(billing_vars, window))
        if not kept.exists():
            made, edits = None, _edits(dbt.PROJECT)
            if edits and all(edit.is_known for edit in edits):
                made = edited(_plan_of_the_unedited(parsed, layout, billing_vars, window), edits)
            made = made or _compile_plan(layout, billing_vars, window)
            _keep(kept, plan.as_json(made).encode())
        return plan.from_json(kept.read_text())

    def write_dbt_docs(layout: Layout, billing_vars: BillingVars, folder: Path) -> None:
        """A page that was made is named by all that it depends on. A copy of the project with
        edits has the page of the project itself."""
        project = dbt.PROJECT
        if _edits(project):
            dbt.PROJECT = PROJECT
        own, lent = layout.dbt / "docs", parsed.with_name("docs")
        own.mkdir(parents=True, exist_ok=True)
        for page in lent.glob("*.html"):
            if not (own / page.name).exists():
                link_or_copy(page, own / page.name)
        _write_dbt_docs(layout, billing_vars, folder)
        dbt.PROJECT = project
        lent.mkdir(exist_ok=True)
        for page in own.glob("*.html"):
            if not (lent / page.name).exists():
                _keep(lent / page.name, page.read_bytes())

    plan.compile_plan = compile_plan
    plan.run_dbt = dbt_docs.run_dbt = run_dbt
    site.write_dbt_docs = write_dbt_docs


class Edit(NamedTuple):
    """What is edited in a file of a copy of the project, as compiled models have it if that is
    known."""

    path: str
    old: str
    new: str
    is_known: bool


def note_edit(project: Path, edit: Edit) -> None:
    (project / _EDITS).write_text(json.dumps([*_edits(project), edit]))


def _edits(project: Path) -> list[Edit]:
    file = project / _EDITS
    return [Edit(*edit) for edit in json.loads(file.read_text())] if file.exists() else []


def edited(made: Plan, edits: Sequence[Edit]) -> Plan | None:
    """A plan with some edits. That of a model changes what that model has once, that of a macro all
    models that have it. None if there is nothing to change."""
    models = {model.name: model for model in made.models}
    for edit in edits:
        having = [model for model in models.values() if edit.old in model.sql]
        if edit.path.startswith("models/"):
            name = Path(edit.path).stem
            having = [m for m in having if m.name == name and m.sql.count(edit.old) == 1]
        if not having:
            return None
        models |= {m.name: replace(m, sql=m.sql.replace(edit.old, edit.new)) for m in having}
    return replace(made, models=tuple(models.values()))


def _plan_of_the_unedited(
    parsed: Path, layout: Layout, billing_vars: BillingVars, window: Window
) -> Plan:
    """The plan of the project itself for a night of this kind. It is made once."""
    copy = dbt.PROJECT
    try:
        dbt.PROJECT = PROJECT
        kept = parsed.with_name(plan.plan_name(billing_vars, window))
        if not kept.exists():
            _keep(kept, plan.as_json(_compile_plan(layout, billing_vars, window)).encode())
    finally:
        dbt.PROJECT = copy
    return plan.from_json(kept.read_text())


def lend_no_docs() -> None:
    """Have dbt write of the models in this process."""
    site.write_dbt_docs = _write_dbt_docs


def _keep(file: Path, content: bytes) -> None:
    copy = file.with_suffix(f".{os.getpid()}")
    copy.write_bytes(content)
    with suppress(OSError):  # another process is at it too
        copy.rename(file)
