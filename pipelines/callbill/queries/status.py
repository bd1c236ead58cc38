"""How things stand: what is sealed, how the last run ended, what waits, what warns."""

from __future__ import annotations

import json
import os
import socket
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from callbill import __version__
from callbill.base.catalogue import check_catalogue
from callbill.base.errors import UsageError
from callbill.base.places import shown
from callbill.base.settings import Settings, today_or_utc
from callbill.release.checkpoint import newest_checkpoint
from callbill.release.release import Published, Release
from callbill.release.store import published_by

_WARNINGS = """
    select control_id, severity, unexpected_rows from ops.control_results
    where run_id = ? and not passed
    order by severity, control_id
"""
_KEPT_OF_LAST_RUN = ("run_id", "outcome", "message", "finished_at", "last_success_at")


def load_status(settings: Settings) -> dict[str, Any]:
    """The status, as JSON values. Raises UsageError if what is published cannot be read."""
    published = published_by(settings)
    release = published.current()
    last_run = _read(published.status / "last_run.json")
    today = today_or_utc(settings)
    status: dict[str, Any] = {
        "callbill_version": __version__,
        "place": str(settings.place.folder) if settings.place else None,
        "published": shown(settings.published_store or settings.published),
        "today": str(today),
        "sealed_through": None,
        "days_due": None,
        "release": None,
        "running": _running(published.lock.with_name(f"{published.lock.name}-holder.json")),
        "last_run": {name: last_run.get(name) for name in _KEPT_OF_LAST_RUN} if last_run else None,
        "files_waiting": last_run.get("files_waiting", []),
        "files_not_read": last_run.get("files_not_read", []),
        "warnings": [*last_run.get("warnings", []), *_faults_of(settings)],
        "controls_failed": [],
        "candidates": _candidates(Published(settings.published)),
        "archived": _archived(settings),
        "unbilled_calls_to_date": last_run.get("unbilled_calls_to_date"),
    }
    if release is not None:
        through = release.manifest.through
        status |= {
            "sealed_through": str(through),
            "days_due": max((today - through).days, 0),
            "release": release.run_id,
            "controls_failed": _controls_failed(release),
        }
    return status


def _controls_failed(release: Release) -> list[dict[str, Any]]:
    with closing(release.open()) as con:
        rows = con.execute(_WARNINGS, [release.run_id]).fetchall()
    return [
        {"control": control, "severity": severity, "rows": count}
        for control, severity, count in rows
    ]


def _candidates(published: Published) -> list[dict[str, Any]]:
    """The releases that wait for their seal, with what their controls found. One that is not
    finished is none."""
    candidates = []
    for candidate in published.candidates():
        with suppress(UsageError):
            candidates.append(
                {
                    "run_id": candidate.run_id,
                    "through": str(candidate.manifest.through),
                    "controls_failed": _controls_failed(candidate),
                }
            )
    return candidates


def _archived(settings: Settings) -> dict[str, Any] | None:
    """How many files were archived, and through which date the checkpoint is sealed."""
    checkpoint = newest_checkpoint(settings.published)
    if checkpoint is None:
        return None
    return {"files": len(checkpoint.archived), "checkpoint_through": str(checkpoint.through)}


def _faults_of(settings: Settings) -> list[str]:
    """What the next run would be refused for."""
    try:
        check_catalogue(settings.catalogue)
    except UsageError as error:
        return [str(error)]
    return []


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content = json.loads(path.read_bytes())
        if isinstance(content, dict):
            return content
    return {}


def _running(holder: Path) -> dict[str, Any] | None:
    """The process that holds the lock of a run: its id, its machine, and since when. One of this
    machine that has ended without a word is none."""
    process = _read(holder)
    if process and process.get("host") == socket.gethostname():
        try:
            os.kill(int(process["pid"]), 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
    return process or None
