"""What a process has done before tests fork runs of the product from it: a small run, and the
imports of all commands.

Half of a small run's time goes into what a process does once: imports, and what dbt and Great
Expectations work out when they are first used.
"""

from __future__ import annotations

import gc
import os
import pkgutil
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from importlib import import_module
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import callbill
import openpyxl  # noqa: F401  as the next two, imported where few commands need it
import polars  # noqa: F401
import reportlab.platypus  # noqa: F401
from callbill.base import stopping
from callbill.base.progress import Reporter
from callbill.base.settings import load_settings
from callbill.jobs.run import run_job

from tests.support import parsed, quick
from tests.support.heap import fill_holes
from tests.support.landing_files import json_lines, record, write


def _run_once(place: Path) -> None:
    write(place / "landing/call_logs/arrived_on=2026-03-03/a.jsonl", json_lines(record("a")))
    settings = load_settings(
        landing=str(place / "landing"),
        warehouse=str(place / "warehouse.duckdb"),
        published=str(place / "published"),
        through=date(2026, 3, 3),
    )
    parsed.lend(Path(os.environ["TESTS_PARSED_MODELS"]))
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        run_job(settings, Reporter(json_logs=True))
    for module in pkgutil.walk_packages(callbill.__path__, "callbill."):
        import_module(module.name)
    # A run that publishes defers stop signals, and its process ends soon after.
    stopping._is_deferred = False
    gc.collect()
    # Runs neither go through what is here nor copy it when they collect what they left. Most end
    # before it is worth it to look for that.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


quick.make()
with TemporaryDirectory() as folder:
    _run_once(Path(folder))
fill_holes()
