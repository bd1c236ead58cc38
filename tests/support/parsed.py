"""What dbt makes of the models, which takes seconds: lent to every run of a test session.

Plans are kept by the name that the product gives them, so a project that was changed has its own.
For those, dbt parses only what has changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from callbill.base.settings import BillingVars
from callbill.warehouse import plan
from callbill.warehouse.layout import Layout
from callbill.warehouse.plan import Plan, Window

from tests.support.project import PROJECT
from tests.support.shared import make_once

_NAME = "partial_parse.msgpack"
_compile_plan = plan.compile_plan


def parsed_models() -> Path:
    """The models as dbt parsed them."""

    def parse(folder: Path) -> None:
        command = [sys.executable, "-m", "tests.support.parse", str(folder / _NAME)]
        subprocess.run(command, cwd=PROJECT, check=True)

    return make_once("parsed", parse) / _NAME


def lend(parsed: Path) -> None:
    """Lend them to this process, from where the session has them."""

    def compile_plan(layout: Layout, billing_vars: BillingVars, window: Window) -> Plan:
        kept = parsed.with_name(plan.plan_name(billing_vars, window))
        if kept.exists():
            return plan.from_json(kept.read_text())
        # With other vars everything is parsed again, so that is kept too.
        parsed_with_vars = parsed.with_name(f"{kept.name.split('-')[0]}.msgpack")
        target = layout.dbt / "target" / _NAME
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            lent = parsed_with_vars if parsed_with_vars.exists() else parsed
            shutil.copyfile(lent, target)
        made = _compile_plan(layout, billing_vars, window)
        _keep(kept, plan.as_json(made).encode())
        if not parsed_with_vars.exists():
            _keep(parsed_with_vars, target.read_bytes())
        return made

    plan.compile_plan = compile_plan


def _keep(file: Path, content: bytes) -> None:
    copy = file.with_suffix(f".{os.getpid()}")
    copy.write_bytes(content)
    with suppress(OSError):  # another process is at it too
        copy.rename(file)
