"""The models as dbt parsed them, which takes seconds: lent to every run of a test session.

What has changed since is parsed anew. Other vars change everything, so what was parsed with them is
kept beside.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from callbill.base.settings import BillingVars
from callbill.warehouse import dbt
from callbill.warehouse.layout import Layout

from tests.support.project import PROJECT
from tests.support.shared import make_once

_NAME = "partial_parse.msgpack"
_run_dbt = dbt.run_dbt


def parsed_models() -> Path:
    """The models as dbt parsed them."""

    def parse(folder: Path) -> None:
        command = [sys.executable, "-m", "tests.support.parse", str(folder / _NAME)]
        subprocess.run(command, cwd=PROJECT, check=True)

    return make_once("parsed", parse) / _NAME


def place_of(layout: Layout) -> Path:
    """Where a warehouse has them."""
    return layout.dbt / "target" / _NAME


def lend(parsed: Path) -> None:
    """Lend them to this process, from where the session has them."""

    def run_dbt(layout: Layout, billing_vars: BillingVars, *command: str) -> list[Any]:
        target = place_of(layout)
        said = yaml.safe_dump(vars(billing_vars)).encode()
        with_vars = parsed.with_name(hashlib.sha256(said).hexdigest())
        if target.exists():
            return _run_dbt(layout, billing_vars, *command)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(with_vars if with_vars.exists() else parsed, target)
        results = _run_dbt(layout, billing_vars, *command)
        if dbt.PROJECT == PROJECT and not with_vars.exists():
            copy = with_vars.with_suffix(f".{os.getpid()}")
            with suppress(OSError):  # another process is at it too
                shutil.copyfile(target, copy)
                copy.rename(with_vars)
        return results

    dbt.run_dbt = run_dbt
