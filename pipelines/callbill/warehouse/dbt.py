"""Runs dbt on a warehouse, in this process: to build the models, to write their documentation."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from typing import Any

import yaml

from callbill.base.errors import CallbillError, ControlFailedError
from callbill.base.machine import machine_fault_in_text
from callbill.base.settings import PROJECT, BillingVars
from callbill.warehouse.layout import Layout


def build_models(layout: Layout, billing_vars: BillingVars) -> None:
    """Run `dbt build` on the warehouse. dbt keeps its file open until this process ends.

    Raises ControlFailedError if a test of a model failed, CallbillError if a model could not be
    built or dbt itself failed.
    """
    results = run_dbt(layout, billing_vars, "build", "--exclude-resource-type", "unit_test")
    broken = [r for r in results if r.status in ("error", "runtime error")]
    failed = [r for r in results if r.status == "fail"]
    if broken:
        sentence = f"model {broken[0].node.name} was not built: {_one_line(broken[0].message)}"
        raise CallbillError(machine_fault_in_text(sentence) or sentence)
    if failed:
        names = ", ".join(r.node.name for r in failed)
        raise ControlFailedError(f"dbt tests failed, nothing was published: {names}")


def import_dbt() -> Any:
    """The dbt runner. Importing dbt takes seconds, so a run with nothing due does not do it."""
    with _without_garbage_collection():
        from dbt.cli.main import dbtRunner
    return dbtRunner()


def run_dbt(layout: Layout, billing_vars: BillingVars, *command: str) -> list[Any]:
    """Run a dbt command. Returns the results of its nodes, of `build` only.

    Raises CallbillError if dbt itself fails.
    """
    runner = import_dbt()
    # If this process ends abruptly, a helper process removes the locks that dbt has left, and warns
    # about them on standard error. The helper inherits this filter.
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    arguments = [
        *command,
        "--project-dir", str(PROJECT),
        "--profiles-dir", str(PROJECT),
        "--target-path", str(layout.dbt / "target"),
        "--log-path", str(layout.dbt / "logs"),
        "--vars", yaml.safe_dump(vars(billing_vars)),
        "--write-json" if command[0] == "docs" else "--no-write-json",
        "--quiet",
        "--log-level", "none",
        "--no-use-colors",
    ]  # fmt: skip
    # dbt gets the file's name and runs in its folder, because for another path it would parse the
    # whole project again.
    places = {
        "CALLBILL_WAREHOUSE": layout.database.name,
        "CALLBILL_WAREHOUSE_FILES": str(layout.files),
        "DO_NOT_TRACK": "1",
    }
    with chdir(layout.database.parent), _environment(places), _without_garbage_collection():
        outcome = runner.invoke(arguments)
    if outcome.exception is not None:
        raise CallbillError(f"dbt stopped: {_one_line(outcome.exception)}") from outcome.exception
    return list(outcome.result or []) if command[0] == "build" else []


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Disable garbage collection. dbt creates many objects that stay, and scanning them takes a
    tenth of its time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
