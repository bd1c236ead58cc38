"""The status: one screen, or JSON."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from callbill.base.text import printable
from callbill.cli.show.console import open_console
from callbill.cli.show.controls import WHAT_TO_DO

# So many files and warnings of each kind are named.
_MOST = 5


def show_status(status: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(status, indent=1, ensure_ascii=False))
        return
    zone = ZoneInfo(status["billing_timezone"])
    lines = [
        ("place", status["place"] or "none; `callbill init` makes one"),
        ("published", status["published"]),
        ("sealed", _sealed(status)),
        *([("running", _running(status["running"], zone))] if status["running"] else []),
        ("last run", _last_run(status["last_run"], zone)),
        *(
            line
            for candidate in status["candidates"]
            for line in _candidate(candidate, is_one_of_many=len(status["candidates"]) > 1)
        ),
        *_of_last_run(
            "waits",
            [
                f"{f['name']}, until {f['until'] or 'it has its final name'}"
                for f in status["files_waiting"]
            ],
        ),
        *_of_last_run("not read", [f"{f['name']}: {f['why']}" for f in status["files_not_read"]]),
        *_named("warns", [*map(_control, status["controls_failed"]), *status["warnings"]]),
        *([("", WHAT_TO_DO)] if status["controls_failed"] else []),
    ]
    if status["files_unread"]:
        lines.append(
            ("unread", f"{status['files_unread']} file(s) lie in the landing folder unread now")
        )
    if status["records_rejected_to_date"]:
        lines.append(
            (
                "rejected",
                f"{status['records_rejected_to_date']} of all that was read,"
                f" {status['records_rejected'] or 0} by the last run",
            )
        )
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


def _running(process: dict[str, Any], zone: ZoneInfo) -> str:
    since = _local(process.get("since"), zone)
    return f"process {process.get('pid')} on {process.get('host')} since {since}"


def _local(instant: str | None, zone: ZoneInfo) -> str | None:
    """An instant in the billing timezone. What is none is shown as it is."""
    try:
        return datetime.fromisoformat(str(instant)).astimezone(zone).isoformat(" ", "seconds")
    except ValueError:
        return instant


def _last_run(run: dict[str, Any] | None, zone: ZoneInfo) -> str:
    if run is None:
        return "none yet"
    text = f"{run['outcome'].replace('_', ' ')}, {_local(run['finished_at'], zone)}"
    if run["message"]:
        text += f": {run['message']}"
    if run["last_success_at"] != run["finished_at"]:
        text += f" (the last that ended well: {_local(run['last_success_at'], zone) or 'none'})"
    return text


def _candidate(candidate: dict[str, Any], *, is_one_of_many: bool) -> list[tuple[str, str]]:
    """The line of a candidate, what it bills and leaves out, and what its run warned of."""
    run_id = candidate["run_id"]
    text = f"{run_id}, through {candidate['through']}"
    if not candidate["is_newest"]:
        text += ", is not the newest"
    else:
        text += f"{', the newest' * is_one_of_many}: callbill seal {run_id}"
    left_out = len(candidate["files_not_read"]) + len(candidate["files_waiting"])
    warnings = [*map(_control, candidate["controls_failed"]), *candidate["warnings"]]
    return [
        ("candidate", text),
        (
            "",
            f"{candidate['calls']} calls, {candidate['deducted_amount']} CNY;"
            f" {left_out} file(s) left out, {candidate['records_rejected']} line(s) rejected,"
            f" {candidate['unbilled_calls']} call(s) unbilled",
        ),
        *[("", f"warns {warning}") for warning in warnings],
    ]


def _control(result: dict[str, Any]) -> str:
    return f"{result['control']}: {result['rows']} row(s)"


def _of_last_run(name: str, texts: list[str]) -> list[tuple[str, str]]:
    """Files of which the last run spoke; it knows none that came since."""
    if not texts:
        return [(name, "nothing, as of the last run")]
    head = (name, f"{len(texts)} file(s), as of the last run:")
    return [head, *(("", text) for _name, text in _named("", texts))]


def _named(name: str, texts: list[str]) -> list[tuple[str, str]]:
    lines = [(name, text) for text in texts[:_MOST]]
    if len(texts) > _MOST:
        lines.append(("", f"and {len(texts) - _MOST} more"))
    return lines or [(name, "nothing")]
