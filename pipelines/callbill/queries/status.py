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
from callbill.base.errors import CallbillError, UsageError
from callbill.base.places import is_in_store, shown
from callbill.base.settings import Settings, load_vars, today_or_utc
from callbill.ingest.incoming import known_files
from callbill.ingest.landing import list_landing
from callbill.ingest.shape_files import load_shapes, shape_names
from callbill.release.candidate import current_candidates, read_basis
from callbill.release.checkpoint import newest_checkpoint
from callbill.release.release import Published, Release
from callbill.release.store import published_by
from callbill.warehouse.warehouse import Warehouse

_WARNINGS = """
    select control_id, severity, unexpected_rows from ops.control_results
    where run_id = ? and not passed
    order by severity, control_id
"""
# What a candidate's run settled: its calls, and what they take from accounts.
_BILLED = """
    select
        (
            select coalesce(sum(calls), 0)::bigint from billing.bill_lines
            where settled_on between $first and $last
        ) as calls,
        (
            select coalesce(sum(deducted_amount), 0)::decimal(18, 2) from billing.settlements
            where settled_on between $first and $last
        ) as deducted_amount,
        (
            select coalesce(sum(calls), 0)::bigint from ops.unbilled_calls where run_id = $run_id
        ) as unbilled_calls
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
        "billing_timezone": _zone_of(settings),
        "today": str(today),
        "sealed_through": None,
        "days_due": None,
        "release": None,
        "running": _running(published.lock.with_name(f"{published.lock.name}-holder.json")),
        "last_run": {name: last_run.get(name) for name in _KEPT_OF_LAST_RUN} if last_run else None,
        "files_waiting": last_run.get("files_waiting", []),
        "files_not_read": last_run.get("files_not_read", []),
        "files_unread": _count_unread(settings, release),
        "records_rejected": last_run.get("records_rejected"),
        "records_rejected_to_date": None,
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
            "records_rejected_to_date": _rejected_to_date(release),
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
    """The releases that wait for their seal, with what they bill, what their runs left out, and
    what their controls found: one is chosen by that. One that is not finished is none."""
    candidates = []
    newest = [candidate.run_id for candidate in current_candidates(published)][-1:]
    for candidate in published.candidates():
        with suppress(UsageError):
            candidates.append(_candidate(candidate) | {"is_newest": candidate.run_id in newest})
    return candidates


def _candidate(candidate: Release) -> dict[str, Any]:
    through = candidate.manifest.through
    run = (read_basis(candidate) or {}).get("run", {})
    asked = {"first": run.get("settle_from"), "last": through, "run_id": candidate.run_id}
    with closing(candidate.open()) as con:
        [(calls, deducted, unbilled)] = con.execute(_BILLED, asked).fetchall()
    return {
        "run_id": candidate.run_id,
        "settle_from": run.get("settle_from"),
        "through": str(through),
        "calls": calls,
        "deducted_amount": f"{deducted:f}",
        "unbilled_calls": unbilled,
        "records_rejected": run.get("records_rejected", 0),
        "files_not_read": run.get("files_not_read", []),
        "files_waiting": run.get("files_waiting", []),
        "warnings": run.get("warnings", []),
        "controls_failed": _controls_failed(candidate),
    }


def _rejected_to_date(release: Release) -> int:
    with closing(release.open()) as con:
        [(count,)] = con.execute("select count(*) from ops.rejected_records").fetchall()
    return int(count)


def _zone_of(settings: Settings) -> str:
    """The billing timezone, or UTC if that var is not valid."""
    try:
        return load_vars(settings).billing_timezone
    except UsageError:
        return "UTC"


def _count_unread(settings: Settings, release: Release | None) -> int | None:
    """How many files lie in the landing folder and were not read. None if that cannot be said at
    once: there is no folder, or it is in a store, which would have to be asked for its list."""
    if is_in_store(settings.landing) or not settings.landing.is_dir():
        return None
    loads = release.manifest.loads if release else ()
    try:
        names = shape_names(load_shapes(settings.shapes)) | {load.format for load in loads}
        listing = list_landing(settings.landing, names, load_vars(settings).zone)
    except UsageError:
        return None
    try:
        warehouse = Warehouse.open_read_only(settings.warehouse)
        with closing(warehouse.con):
            known = known_files(warehouse)
    except CallbillError:  # a run has it, or it is lost
        known = {}
    released = {load.path for load in loads}
    unread = [
        file
        for file in listing.files
        # What is released is not in the warehouse after a seal.
        if (
            known[file.name] != (file.size, file.mtime_ns)
            if file.name in known
            else file.name not in released
        )
    ]
    return len(unread) + len(listing.skipped) + len(listing.waiting)


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
