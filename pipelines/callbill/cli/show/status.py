"""The status: one screen, or JSON."""

from __future__ import annotations

import json
from typing import Any

from callbill.base.text import printable
from callbill.cli.show.console import open_console

# So many files and warnings of each kind are named.
_MOST = 5


def show_status(status: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(status, indent=1, ensure_ascii=False))
        return
    lines = [
        ("place", status["place"] or "none; `callbill init` makes one"),
        ("published", status["published"]),
        ("sealed", _sealed(status)),
        *([("running", _running(status["running"]))] if status["running"] else []),
        ("last run", _last_run(status["last_run"])),
        *(line for candidate in status["candidates"] for line in _candidate(candidate)),
        *_named(
            "waits",
            [
                f"{f['name']}, until {f['until'] or 'it has its final name'}"
                for f in status["files_waiting"]
            ],
        ),
        *_named("not read", [f"{f['name']}: {f['why']}" for f in status["files_not_read"]]),
        *_named("warns", [*map(_control, status["controls_failed"]), *status["warnings"]]),
    ]
    if status["unbilled_calls_to_date"]:
        lines.append(
            ("unbilled", f"{status['unbilled_calls_to_date']} successful calls of all dates")
        )
    if archived := status["archived"]:
        lines.append(
            (
                "archived",
                f"{archived['files']} files, checkpoint through {archived['checkpoint_through']}",
            )
        )
    console = open_console()
    for name, text in lines:
        console.print(f"{name:<10} {printable(text)}", soft_wrap=True)


def _sealed(status: dict[str, Any]) -> str:
    if status["sealed_through"] is None:
        return "nothing yet"
    due = status["days_due"]
    return f"through {status['sealed_through']}, " + (
        f"{due} day(s) due through {status['today']}" if due else "nothing due today"
    )


def _running(process: dict[str, Any]) -> str:
    return f"process {process.get('pid')} on {process.get('host')} since {process.get('since')}"


def _last_run(run: dict[str, Any] | None) -> str:
    if run is None:
        return "none yet"
    text = f"{run['outcome'].replace('_', ' ')}, {run['finished_at']}"
    if run["message"]:
        text += f": {run['message']}"
    if run["last_success_at"] != run["finished_at"]:
        text += f" (the last that ended well: {run['last_success_at'] or 'none'})"
    return text


def _candidate(candidate: dict[str, Any]) -> list[tuple[str, str]]:
    """The line of a candidate, and those of what its controls found."""
    run_id = candidate["run_id"]
    found = [("", f"warns {_control(result)}") for result in candidate["controls_failed"]]
    return [
        ("candidate", f"{run_id}, through {candidate['through']}: callbill seal {run_id}"),
        *found[:_MOST],
    ]


def _control(result: dict[str, Any]) -> str:
    return f"{result['control']}: {result['rows']} row(s)"


def _named(name: str, texts: list[str]) -> list[tuple[str, str]]:
    lines = [(name, text) for text in texts[:_MOST]]
    if len(texts) > _MOST:
        lines.append(("", f"and {len(texts) - _MOST} more"))
    return lines or [(name, "nothing")]
