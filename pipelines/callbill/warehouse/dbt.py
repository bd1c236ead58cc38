"""Runs dbt, in this process: to compile the models, to write their documentation."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import yaml

from callbill.base.errors import CallbillError
from callbill.base.settings import PROJECT, BillingVars


def run_dbt(database: Path, folder: Path, billing_vars: BillingVars, *command: str) -> Path:
    """Run a dbt command on a database, with `folder` for its own files. Returns the folder of its
    artifacts.

    Raises CallbillError if dbt fails.
    """
    with _without_garbage_collection():
        # That takes seconds, and few runs need it.
        from dbt.cli.main import dbtRunner
    # If this process ends abruptly, a helper process removes the locks that dbt has left, and warns
    # about them on standard error. The helper inherits this filter.
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    target = folder.resolve() / "target"
    arguments = [
        *command,
        "--project-dir", str(PROJECT),
        "--profiles-dir", str(PROJECT),
        "--target-path", str(target),
        "--log-path", str(folder.resolve() / "logs"),
        "--vars", yaml.safe_dump(vars(billing_vars)),
        "--quiet",
        "--log-level", "none",
        "--no-use-colors",
    ]  # fmt: skip
    # dbt gets the file's name and runs in its folder, because for another path it would parse the
    # whole project again.
    places = {
        "CALLBILL_WAREHOUSE": database.name,
        "CALLBILL_WAREHOUSE_FILES": f"{database.name}.files",
        "DO_NOT_TRACK": "1",
    }
    with chdir(database.parent), _environment(places), _without_garbage_collection():
        try:
            outcome = dbtRunner().invoke(arguments)
        finally:
            _close_database()
    if outcome.exception is not None:
        raise CallbillError(f"dbt stopped: {one_line(outcome.exception)}") from outcome.exception
    if not outcome.success:
        results = getattr(outcome.result, "results", None) or ()
        broken = [f"{r.node.name}: {r.message}" for r in results if str(r.status) == "error"]
        raise CallbillError(f"dbt stopped: {one_line(broken[0] if broken else command[0])}")
    return target


def files_hash(patterns: Iterable[str], *told: object) -> str:
    """A hash of the project's files that match a pattern, and of what else is told."""
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for pattern in patterns:
        for path in sorted(PROJECT.glob(pattern)):
            if path.is_file():
                digest.update(path.relative_to(PROJECT).as_posix().encode() + b"\0")
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def one_line(text: object) -> str:
    return " ".join(str(text).split())


def _close_database() -> None:
    """dbt would keep the database open until the process ends, and take the next one for it."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import reset_adapters

    DuckDBConnectionManager.close_all_connections()
    reset_adapters()


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
