"""Runs that are disturbed on purpose, and a history whose every night has something new."""

from __future__ import annotations

import importlib
import os
import signal
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from callbill.base.errors import ControlFailedError
from callbill.jobs import settling

from tests.support.commands import run_job
from tests.support.landing_files import csv_file, json_lines, record, write
from tests.support.places import figures

OWNER = "100000000077"
FIRST = date(2026, 3, 2)

# What a run does one after the other, as the module that calls it names it.
STEPS = (
    ("callbill.jobs.run", "adopted_warehouse"),
    ("callbill.jobs.run", "record_start"),
    ("callbill.jobs.settling", "load_landing"),
    ("callbill.jobs.loading", "load_batches"),
    # Records are committed, and not yet where they are seen.
    ("callbill.ingest.committing", "show_records"),
    ("callbill.jobs.loading", "judge_account_events"),
    ("callbill.warehouse.raw_records:RawRecords", "drop_unknown_files"),
    ("callbill.warehouse.by_date:ByDate", "prepare"),
    ("callbill.jobs.settling", "build_models"),
    ("callbill.warehouse.by_date:ByDate", "complete"),
    ("callbill.jobs.settling", "refresh_hashes"),
    ("callbill.jobs.settling", "run_controls"),
    ("callbill.jobs.settling", "keep_results"),
    ("callbill.jobs.settling", "write_release"),
    ("callbill.release.writing", "write_database"),
    # From here on it is published.
    ("callbill.release.release:Published", "switch_to"),
    ("callbill.jobs.settling", "seal"),
    ("callbill.jobs.settling", "adopt"),
    ("callbill.release.release:Published", "remove_old"),
    ("callbill.jobs.run", "write_status"),
    ("callbill.warehouse.warehouse:Warehouse", "close"),
)
MOMENTS = [
    *((module, name, "before") for module, name in STEPS[:-1]),
    *((module, name, "after") for module, name in (STEPS[4], STEPS[8], STEPS[13], STEPS[15])),
]


def die(module: str, name: str, moment: Literal["before", "after"]) -> None:
    """Have the process killed where it comes to a step."""
    module, _, owner = module.partition(":")
    home = importlib.import_module(module)
    home = getattr(home, owner) if owner else home
    step = getattr(home, name)

    def dying(*arguments: Any, **options: Any) -> None:
        if moment == "after":
            step(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(home, name, dying)


def block() -> None:
    """Have a control fail."""

    def fail(*_arguments: object, **_named: object) -> None:
        raise ControlFailedError("blocked")

    settling.write_release = fail  # type: ignore[assignment]


def land(place: Path, days: int, files: int = 0) -> None:
    """A few records a day: new, delivered again, failed late; and a contract and money late. And so
    many more files a day, of a record each."""
    for day in range(days):
        arrived_on = FIRST + timedelta(days=day)
        used_on = arrived_on - timedelta(days=1)

        def call(name: str, used_on: date, **fields: object) -> dict:
            at = f"{used_on}T10:00:00+08:00"
            return record(f"{name} {used_on}", owner_uin=OWNER, called_at=at, **fields)

        lines = [call(name, used_on) for name in "abc"]
        lines += [call("a", used_on - timedelta(days=1))]
        lines += [call("b", used_on - timedelta(days=2), error_code="InternalError")]
        folder = place / "landing" / "call_logs" / f"arrived_on={arrived_on}"
        write(folder / "calls.jsonl", json_lines(*lines))
        write(folder / "more.csv", csv_file([call("d", used_on), {"request_id": "bad"}]))
        for n in range(files):
            write(folder / f"{n}.jsonl", json_lines(call(f"{n}", used_on)))
    middle = FIRST + timedelta(days=days // 2)
    terms = {"owner_uin": OWNER, "component_code": "wimgs_search_by_text", "discount": "0.855"}
    write(
        place / f"landing/contracts/arrived_on={middle}/contracts.csv",
        csv_file([{**terms, "effective_from": "2026-03-01"}]),
    )
    event = {"event_id": "e", "owner_uin": OWNER, "occurred_at": "2026-03-01T00:00:00+08:00"}
    write(
        place / f"landing/account_events/arrived_on={middle}/events.jsonl",
        json_lines({**event, "event_type": "recharge", "amount": "0.50"}),
    )


def undisturbed(place: Path, days: int, files: int = 0) -> dict[str, Any]:
    land(place, days, files)
    ended = run_job(place, "--through", FIRST + timedelta(days=days - 1))
    assert ended.returncode == 0, ended.stderr
    return figures(place)
