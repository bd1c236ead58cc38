"""dbt on a warehouse, in this process: building the models, writing their documentation."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from typing import Any

import yaml

from callbill.base.errors import CallbillError, ControlFailedError
from callbill.base.machine import fault_in_text
from callbill.base.settings import PROJECT, BillingVars
from callbill.warehouse.layout import Layout


def build_models(layout: Layout, billing_vars: BillingVars) -> None:
    """Run `dbt build` on the warehouse.

    Raises ControlFailedError if a test of a model failed, CallbillError if a model could not be
    built. dbt keeps the warehouse file open until this process ends.
    """
    results = run_dbt(layout, billing_vars, "build", "--exclude-resource-type", "unit_test")
    broken = [r for r in results if r.status in ("error", "runtime error")]
    failed = [r for r in results if r.status == "fail"]
    if broken:
        said = f"model {broken[0].node.name} was not built: {_one_line(broken[0].message)}"
        raise CallbillError(fault_in_text(said) or said)
    if failed:
        names = ", ".join(r.node.name for r in failed)
        raise ControlFailedError(f"dbt tests failed, nothing was published: {names}")


def import_dbt() -> Any:
    """What runs dbt. It takes seconds to import: a night with nothing due does without."""
    with _uncollected():
        from dbt.cli.main import dbtRunner
    return dbtRunner()


def run_dbt(layout: Layout, billing_vars: BillingVars, *command: str) -> list[Any]:
    """What a dbt command says of each node. Raises CallbillError if dbt itself fails."""
    runner = import_dbt()
    # dbt makes locks that outlive a process which ends on the spot. They are cleared away, but not
    # without a word on standard error, by a process that inherits this.
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
    # By its name, from its folder: dbt parses everything anew where it sees another path.
    places = {
        "CALLBILL_WAREHOUSE": layout.database.name,
        "CALLBILL_WAREHOUSE_FILES": str(layout.files),
        "DO_NOT_TRACK": "1",
    }
    with chdir(layout.database.parent), _environment(places), _uncollected():
        outcome = runner.invoke(arguments)
    if outcome.exception is not None:
        raise CallbillError(f"dbt stopped: {_one_line(outcome.exception)}") from outcome.exception
    return list(outcome.result or []) if command[0] == "build" else []


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collections: dbt makes much that lasts, and a tenth of its time would go to
    looking whether it does."""
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
