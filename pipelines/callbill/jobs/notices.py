"""Notices: the command of `[notify]` in callbill.toml, run after each run that is worth one.

It gets the run's outcome as JSON on standard input: what `last_run.json` says, and why it is worth
a notice. Whatever becomes of the command, the run's outcome stays.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from callbill.base.places import shown
from callbill.base.progress import Reporter
from callbill.base.settings import Settings
from callbill.base.stopping import stop_requested
from callbill.jobs.status import GOOD_OUTCOMES

# A run that was told to stop has ten seconds in all.
_SECONDS_WHEN_STOPPED = 3


def notify(
    settings: Settings, reporter: Reporter, before: dict[str, Any], status: dict[str, Any]
) -> None:
    """Run the command, if there is one and the run is worth a notice. `before` is the status of the
    run before this one."""
    reasons = reasons_to_notify(before, status)
    if not settings.notify_command or not _is_due(settings.notify_when, status, reasons):
        return
    published = settings.published_store or settings.published
    content = status | {
        "reasons": reasons,
        "place": str(settings.place.folder) if settings.place else None,
        "published": shown(published),
        "site": shown(_release_of(published, status) / "site" / "index.html"),
    }
    text = json.dumps(content, default=str, ensure_ascii=False)
    seconds = _SECONDS_WHEN_STOPPED if stop_requested() else settings.notify_timeout
    fault = _run(settings.notify_command, text, seconds, settings)
    if fault:
        reporter.log("notice not sent", why=fault)


def _release_of(published: Path, status: dict[str, Any]) -> Path:
    """The folder of the release that a run left to look at."""
    if status["outcome"] == "candidate":
        return published / "candidates" / str(status["run_id"])
    return published / "current"


def reasons_to_notify(before: dict[str, Any], status: dict[str, Any]) -> list[str]:
    """Why a run is worth a notice, in sentences. Empty if it went as usual."""
    reasons = []
    is_well = status["outcome"] in GOOD_OUTCOMES
    if not is_well:
        reasons.append(f"the run ended {status['outcome']}: {status['message']}")
    elif before.get("outcome") not in (None, *GOOD_OUTCOMES):
        reasons.append(f"runs end well again; the one before ended {before['outcome']}")
    if status["outcome"] == "candidate":
        reasons.append(f"a candidate waits: {status['message']}")
    if status["outcome"] == "nothing_due":
        # What the last settlement left was said when it was settled.
        return reasons + [f"warning: {text}" for text in status["warnings"]]
    for found in status["findings"]:
        # A budget is named: to read which one, nobody should have to go and look.
        reasons += found["examples"] if found["control"] == "budgets_hold" else [_finding(found)]
    reasons += [f"warning: {text}" for text in status["warnings"]]
    for name, about in (
        ("files_unreadable", "file(s) could not be read"),
        ("records_rejected", "line(s) were rejected"),
    ):
        if status[name]:
            reasons.append(f"{status[name]} {about}")
    if status["files_not_read"]:
        reasons.append(f"{len(status['files_not_read'])} file(s) were left unread")
    calls = sum(unbilled["calls"] for unbilled in status["unbilled_calls"])
    if calls:
        reasons.append(f"{calls} successful call(s) are not in the bill")
    return reasons


def _finding(found: dict[str, Any]) -> str:
    first = f" The first: {found['examples'][0]}" if found["examples"] else ""
    return (
        f"control {found['control']} found {found['rows']} row(s) otherwise:"
        f" {found['sentence']}{first}"
    )


def _is_due(when: str, status: dict[str, Any], reasons: list[str]) -> bool:
    if when == "always":
        return True
    return bool(reasons) if when == "worth" else status["outcome"] not in GOOD_OUTCOMES


def _run(command: str, text: str, seconds: int, settings: Settings) -> str:
    """Why the command did not do its work, empty if it did."""
    folder = settings.place.folder if settings.place else Path.cwd()
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        return str(error.strerror)
    try:
        _out, err = process.communicate(text.encode("utf-8", "backslashreplace"), seconds)
    except subprocess.TimeoutExpired:
        return f"it took more than {seconds} seconds and was ended"
    except OSError as error:
        return str(error.strerror)
    finally:
        # With all that it started.
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        said = err.decode(errors="replace").strip().splitlines()[-1:] or [""]
        return f"exit code {process.returncode} {said[0][:200]}".strip()
    return ""
