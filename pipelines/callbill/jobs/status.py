"""The status of the last run in `published/status/`, written whether it published or not.

last_run.json    the run's outcome
callbill.prom    metrics for the textfile collector of Prometheus's node exporter (OpenMetrics)
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

from callbill import __version__
from callbill.base.findings import ControlResult
from callbill.jobs.summary import RunSummary

# Of what a control found so many rows are told.
_MOST_EXAMPLES = 5
# Outcomes that need no attention.
GOOD_OUTCOMES = ("published", "nothing_due", "candidate")


def status_of(folder: Path, summary: RunSummary, step_seconds: dict[str, float]) -> dict[str, Any]:
    """What last_run.json will say of a run. `folder` has the status of the run before it, and
    `step_seconds` the duration of each step in seconds."""
    now = datetime.now(UTC)
    finished_at = now.isoformat(timespec="seconds")
    is_well = summary.outcome in GOOD_OUTCOMES
    return {
        "run_id": summary.run_id,
        "callbill_version": __version__,
        "finished_at": finished_at,
        "last_success_at": finished_at if is_well else _last_success(folder),
        "outcome": summary.outcome,
        "message": summary.message,
        "through": summary.through,
        "settle_from": summary.first_settled,
        "settled_again_from": summary.settled_again[0] if summary.settled_again else None,
        "sealed_through": summary.sealed_through,
        "files_loaded": summary.loaded.files,
        "lines_read": summary.loaded.lines_read,
        "records_accepted": summary.loaded.accepted,
        "records_rejected": summary.loaded.rejected,
        "records_never_reached": summary.loaded.never_reached,
        "files_unreadable": summary.loaded.unreadable_files,
        "files_not_read": [vars(skipped) for skipped in summary.loaded.skipped],
        "unbilled_calls": [
            vars(calls) | {"cost": None if calls.cost is None else f"{calls.cost:f}"}
            for calls in summary.unbilled
        ],
        "unbilled_calls_to_date": summary.unbilled_to_date,
        "records_due": None if summary.records_due is None else asdict(summary.records_due),
        "values_cleaned": summary.loaded.cleaned,
        "files_waiting": [vars(waiting) for waiting in summary.loaded.waiting],
        "warnings": summary.loaded.warnings,
        "first_bills": [vars(bill) for bill in summary.first_bills],
        "controls_failed": [r.control_id for r in summary.results if not r.passed],
        "findings": [finding_of(r) for r in summary.results if not r.passed],
        "step_seconds": step_seconds,
    }


def finding_of(result: ControlResult) -> dict[str, Any]:
    """What a control found: how much, and of it the first, each in a few words."""
    of_budget = result.control_id == "budgets_hold"
    return {
        "control": result.control_id,
        "severity": result.severity,
        "sentence": result.sentence,
        "rows": result.unexpected_rows,
        "examples": [
            _budget(row) if of_budget else ", ".join(f"{k} {v}" for k, v in row.items())
            for row in result.sample[:_MOST_EXAMPLES]
        ],
    }


def _budget(row: dict[str, str | None]) -> str:
    """A budget of which much is used: the rows of the control `budgets_hold`."""
    month = str(row["bill_month"])[:7]
    used = Decimal(str(row["used_percent"])).to_integral_value(ROUND_FLOOR)
    return (
        f"budget {row['owner_uin']}, {month}: {row['deducted_amount']} of {row['budget_amount']}"
        f" CNY ({used} %)"
    )


def write_status(folder: Path, summary: RunSummary, status: dict[str, Any], today: date) -> None:
    """Write both files, each in one step. `today` is the date in the billing timezone. Raises
    OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(status, indent=1, default=str, ensure_ascii=False) + "\n"
    # A path can have bytes that are not UTF-8.
    _replace(folder / "last_run.json", text.encode("utf-8", "backslashreplace"))
    _replace(folder / "callbill.prom", _metrics(summary, status, today))


def read_status(folder: Path) -> dict[str, Any]:
    """What last_run.json says, empty if there is none."""
    with suppress(OSError, ValueError):
        content = json.loads((folder / "last_run.json").read_bytes())
        if isinstance(content, dict):
            return content
    return {}


def _last_success(folder: Path) -> str | None:
    try:
        at = datetime.fromisoformat(read_status(folder)["last_success_at"])
        return at.isoformat(timespec="seconds")
    except (ValueError, KeyError, TypeError):
        return None


def _replace(path: Path, content: bytes) -> None:
    # The name has the process id: a run that finds the lock taken writes its status too, possibly
    # at the same moment as the run that holds it.
    building = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    building.write_bytes(content)
    building.replace(path)


def _metrics(summary: RunSummary, status: dict[str, Any], today: date) -> bytes:
    # Gauges only: the node exporter's parser does not know the newer types of OpenMetrics.
    from prometheus_client import CollectorRegistry, Gauge
    from prometheus_client.openmetrics.exposition import generate_latest

    registry = CollectorRegistry()

    def gauge(name: str, about: str, value: float) -> None:
        Gauge(f"callbill_{name}", about, registry=registry).set(value)

    built = Gauge(
        "callbill_build_info", "The callbill that ran last.", ["version"], registry=registry
    )
    built.labels(__version__).set(1)
    finished_at = datetime.fromisoformat(status["finished_at"])
    gauge("last_run_timestamp_seconds", "When the last run ended.", finished_at.timestamp())
    gauge(
        "last_run_success",
        "1 if the last run published or had nothing to do.",
        summary.outcome in GOOD_OUTCOMES,
    )
    if status["last_success_at"]:
        at = datetime.fromisoformat(status["last_success_at"])
        gauge("last_success_timestamp_seconds", "When a run last ended well.", at.timestamp())
    if summary.sealed_through is not None:
        midnight = datetime.combine(summary.sealed_through, datetime.min.time(), UTC)
        gauge(
            "sealed_through_timestamp_seconds",
            "The last settlement date that is published, as its midnight UTC.",
            midnight.timestamp(),
        )
        gauge(
            "lag_days",
            "Days from the last published settlement date to today.",
            (today - summary.sealed_through).days,
        )
    loaded = summary.loaded
    gauge("files_loaded", "Files that the last run loaded.", loaded.files)
    gauge("files_unreadable", "Files that it rejected whole.", loaded.unreadable_files)
    gauge("files_not_read", "Files that it left where they are.", len(loaded.skipped))
    gauge("files_waiting", "Files that wait for a later run.", len(loaded.waiting))
    gauge("records_accepted", "Records that it accepted.", loaded.accepted)
    gauge("records_rejected", "Lines that it rejected.", loaded.rejected)
    gauge(
        "records_never_reached",
        "Of these, attempts that reached no server.",
        loaded.never_reached,
    )
    if summary.unbilled_to_date is not None:
        gauge(
            "unbilled_calls_to_date",
            "Successful calls of all settled dates that are not in the bill.",
            summary.unbilled_to_date,
        )
    for name, about, values in (
        (
            "unbilled_calls",
            "Successful calls that the last settlement left out of the bill, by reason and action.",
            [calls.calls for calls in summary.unbilled],
        ),
        (
            "unbilled_accounts",
            "The accounts that made them.",
            [calls.accounts for calls in summary.unbilled],
        ),
        (
            "unbilled_cost_cny",
            "What they would have cost, where a price is known.",
            [calls.cost for calls in summary.unbilled],
        ),
    ):
        by_action = Gauge(f"callbill_{name}", about, ["reason", "action"], registry=registry)
        for calls, value in zip(summary.unbilled, values, strict=True):
            if value is not None:
                # A metric is a float, whatever it is made of.
                by_action.labels(calls.reason, calls.action or "other actions").set(float(value))
    failed = Gauge(
        "callbill_controls_failed",
        "Controls that failed in the last run, by severity.",
        ["severity"],
        registry=registry,
    )
    for severity in ("error", "warning"):
        failed.labels(severity).set(
            sum(not r.passed and r.severity == severity for r in summary.results)
        )
    seconds = Gauge(
        "callbill_step_duration_seconds",
        "How long each step of the last run took.",
        ["step"],
        registry=registry,
    )
    for step, duration in status["step_seconds"].items():
        seconds.labels(step).set(duration)
    return bytes(generate_latest(registry))  # type: ignore[no-untyped-call]
