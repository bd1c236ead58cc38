"""Runs of the product's own command, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from multiprocessing import forkserver
from multiprocessing.reduction import DupFd
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import jinja2
from callbill.base import catalogue, settings
from callbill.cli.main import main
from callbill.ingest import shapes, templates
from callbill.release.site import dbt_docs
from callbill.warehouse import dbt

from tests.support.parsed import lend, parsed_models
from tests.support.places import places
from tests.support.project import INGEST, PROJECT

CALLBILL = Path(sys.executable).with_name("callbill")

_TRIED_SETTINGS = {f"CALLBILL_{name.upper()}" for name in settings.Settings.model_fields}

# Several runs are at work at a time, and of so few rows two threads only take more processor time
# than one. Whoever tries what threads may change says how many.
_ONE_THREAD = {"CALLBILL_THREADS": "1"}

Run = Callable[..., subprocess.CompletedProcess[str]]


@cache
def _warm() -> multiprocessing.context.ForkServerContext:
    """A process to fork runs from, see tests/support/warm.py."""
    os.environ["TESTS_PARSED_MODELS"] = str(parsed_models())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.warm", __name__])
    # Whoever asks first may try a setting that is refused.
    tried = {k: os.environ.pop(k) for k in list(os.environ) if k in _TRIED_SETTINGS}
    forkserver.ensure_running()
    os.environ.update(tried)
    return context


def callbill(
    *arguments: object,
    cwd: Path | None = None,
    project: Path = PROJECT,
    before: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """The product's own command, in a process of its own; with another project's models and seeds
    if one is given, and after what is to be done in that process beforehand."""
    command = [str(CALLBILL), *map(str, arguments)]
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        process = _warm().Process(
            target=_command,
            args=(
                command,
                _ONE_THREAD | dict(os.environ),
                cwd,
                project,
                before,
                *map(DupFd, (out.fileno(), err.fileno())),
            ),
        )
        process.start()
        process.join()
        out.seek(0)
        err.seek(0)
        assert process.exitcode is not None
        return subprocess.CompletedProcess(command, process.exitcode, out.read(), err.read())


def _command(
    command: list[str],
    environment: dict[str, str],
    cwd: Path | None,
    project: Path,
    before: Callable[[], None] | None,
    out: Any,
    err: Any,
) -> None:
    os.dup2(out.detach(), 1)
    os.dup2(err.detach(), 2)
    os.environ.clear()
    os.environ.update(environment)
    if cwd is not None:
        os.chdir(cwd)
    if project != PROJECT:
        _have(project)
    sys.argv = command
    lend(Path(environment["TESTS_PARSED_MODELS"]))
    if before is not None:
        before()
    main()


def _have(project: Path) -> None:
    """Have this process take models, seeds and what judges lines from another project."""
    for module in (catalogue, dbt, dbt_docs, settings):
        module.PROJECT = project  # type: ignore[attr-defined]
    ingest = project / INGEST
    shapes.SHAPES = ingest / "feeds" / "call_logs" / "shapes"
    shapes.call_log_shapes.cache_clear()
    templates.TEMPLATES.loader = jinja2.FileSystemLoader(ingest / "feeds")


@contextmanager
def several_threads() -> Iterator[None]:
    """Have the runs of this block, in which rows may come in any order, work on several threads."""
    os.environ["CALLBILL_THREADS"] = "2"
    try:
        yield
    finally:
        del os.environ["CALLBILL_THREADS"]


def run_job(
    place: Path,
    *arguments: object,
    project: Path = PROJECT,
    before: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """`callbill run` with a folder's own landing, warehouse and published places."""
    return callbill("run", *places(place), *arguments, project=project, before=before)


def run_after(
    before: Callable[[], None], place: Path, *arguments: object
) -> subprocess.CompletedProcess[str]:
    """The same, after something was done in its process."""
    return run_job(place, *arguments, before=before)


def succeed(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 0, ended.stderr


def settle(place: Path, through: date | str, *arguments: object) -> None:
    """A run that has to publish."""
    succeed(run_job(place, "--through", through, *arguments))
