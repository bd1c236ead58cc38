"""Candidates: releases that lack only the seal, for somebody to look at first.

`callbill run --candidate` settles on a copy of the warehouse and writes the release to
`published/candidates/<run id>/`. `callbill seal` makes it the current release, if what it was made
of is as it was and no newer one waits. The warehouse is behind then: the next run settles the dates
again, as after the loss of a warehouse, and compares every hash.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from callbill import __version__
from callbill.base.catalogue import figure_seeds
from callbill.base.errors import UsageError
from callbill.base.findings import ControlResult
from callbill.base.settings import Settings, load_vars, today_or_utc
from callbill.ingest.committing import LoadReport
from callbill.ingest.landing import Skipped, Waiting, list_landing
from callbill.ingest.shape_files import load_shapes, shape_names
from callbill.jobs.closing import RecordsDue
from callbill.jobs.locks import run_lock
from callbill.jobs.status import status_of, write_status
from callbill.jobs.summary import RunSummary
from callbill.jobs.unbilled import unbilled_calls_of, unbilled_to_date
from callbill.quality.catalogue import catalogue
from callbill.release.candidate import current_candidates, mark_sealed, read_basis
from callbill.release.manifest import Manifest, figure_vars
from callbill.release.release import Published, Release, point_to_calls
from callbill.release.store import published_by
from callbill.storage.folder import digest_of
from callbill.warehouse.layout import Layout
from callbill.warehouse.loads import FileKey
from callbill.warehouse.warehouse import Warehouse

_CONTROLS = """
    select control_id, sentence, expected, severity, passed, unexpected_rows, sample
    from ops.control_results where run_id = ?
"""


def check_candidates(settings: Settings) -> None:
    """Raises UsageError if there can be no candidates where releases are published."""
    if settings.published_store is not None:
        raise UsageError(
            "candidates need a published folder of this machine: "
            "name one with --published, or look at a dry run"
        )


def remove_outdated(published: Published, current: Manifest | None) -> None:
    """Remove the candidates that were made on another release than the current one, and unfinished
    ones."""
    for candidate in published.candidates():
        basis = read_basis(candidate)
        if basis is None or basis["based_on"] != (current.run_id if current else None):
            shutil.rmtree(candidate.folder, ignore_errors=True)


@dataclass(frozen=True)
class Sealed:
    release: Release
    # What the candidate's run read, left out and warned of.
    summary: RunSummary
    # The run ids of the candidates that count no longer.
    void: list[str]
    # Where the warehouse lies now, if it had loaded files that came later.
    moved_to: Path | None


def seal_candidate(settings: Settings, run_id: str, *, older: bool = False) -> Sealed:
    """Make a candidate the current release. Its run id may be cut short. With `older` a newer
    candidate may wait.

    Raises UsageError, which says what changed, if what it was made of is not as it was, or if it is
    not the newest; LockedError if a run is at work.
    """
    check_candidates(settings)
    with run_lock(settings):
        published = published_by(settings)
        candidate = published.find_candidate(run_id)
        manifest = candidate.manifest
        changes = _changes(settings, published.current_manifest(), candidate, manifest)
        if changes:
            raise UsageError(
                f"candidate {candidate.run_id} was not sealed, because what it was made of has "
                f"changed: {'; '.join(changes)}. Make another with `callbill run --candidate`"
            )
        newest = current_candidates(published)[-1]
        if newest.run_id != candidate.run_id and not older:
            raise UsageError(
                f"candidate {candidate.run_id} is not the newest, {newest.run_id} is: "
                "`callbill status` shows what each has. Seal the newest, or say --older to seal "
                "this one and give up those after it"
            )
        run = (read_basis(candidate) or {}).get("run", {})
        summary = _summary_of(candidate, manifest, run)
        others = [c for c in published.candidates() if c.run_id != candidate.run_id]
        mark_sealed(candidate, _built_through(settings))
        release = published.new(candidate.run_id)
        release.folder.parent.mkdir(parents=True, exist_ok=True)
        candidate.folder.rename(release.folder)
        point_to_calls(release)
        moved_to = _move_away(settings, manifest)
        published.switch_to(release)
        for other in others:
            shutil.rmtree(other.folder, ignore_errors=True)
        published.remove_old(settings.keep_releases)
    status = status_of(published.status, summary, {})
    status["first_bills"] = run.get("first_bills", [])
    write_status(published.status, summary, status, today_or_utc(settings))
    return Sealed(release, summary, [other.run_id for other in others], moved_to)


def _summary_of(candidate: Release, manifest: Manifest, run: dict[str, Any]) -> RunSummary:
    """What a candidate's run said of itself, as of the run that sealed it: what it left out and
    warned of is sealed with it, and should not be forgotten then."""
    with closing(candidate.open()) as con:
        results = [
            ControlResult(control, sentence, expected, severity, passed, rows, json.loads(sample))
            for control, sentence, expected, severity, passed, rows, sample in con.execute(
                _CONTROLS, [candidate.run_id]
            ).fetchall()
        ]
        unbilled = unbilled_calls_of(con, candidate.run_id)
        to_date = unbilled_to_date(con)
    order = list(catalogue())
    due = run.get("records_due")
    return RunSummary(
        candidate.run_id,
        manifest.through,
        outcome="published",
        message="a candidate was sealed",
        settle_from=_date(run.get("settle_from")),
        sealed_through=manifest.through,
        loaded=LoadReport(
            files=run.get("files_loaded", 0),
            lines_read=run.get("lines_read", 0),
            accepted=run.get("records_accepted", 0),
            rejected=run.get("records_rejected", 0),
            never_reached=run.get("records_never_reached", 0),
            unreadable_files=run.get("files_unreadable", 0),
            skipped=[Skipped(**file) for file in run.get("files_not_read", [])],
            waiting=[
                Waiting(file["name"], _date(file["until"])) for file in run.get("files_waiting", [])
            ],
            warnings=run.get("warnings", []),
            cleaned=run.get("values_cleaned", {}),
        ),
        records_due=None if due is None else RecordsDue(**due),
        # In the order in which a run has them.
        results=sorted(results, key=lambda result: order.index(result.control_id)),
        unbilled=unbilled,
        unbilled_to_date=to_date,
    )


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _changes(
    settings: Settings, current: Manifest | None, candidate: Release, manifest: Manifest
) -> list[str]:
    """What is not as it was when the candidate was made, in sentences."""
    basis = read_basis(candidate)
    if basis is None:
        return ["it was not finished"]
    changes = []
    based_on = current.run_id if current else None
    if basis["based_on"] != based_on:
        changes.append(
            f"it was made on {basis['based_on'] or 'nothing'}, and the current release is "
            f"{based_on or 'none'}"
        )
    if manifest.versions["callbill"] != __version__:
        changes.append(f"it was made by callbill {manifest.versions['callbill']}")
    now = figure_vars(load_vars(settings))
    changes += [
        f"var {name} is {now.get(name)!r}, it was {value!r}"
        for name, value in manifest.vars.items()
        if now.get(name) != value
    ]
    seeds = figure_seeds(settings.catalogue)
    for name, rows in manifest.seeds.items():
        file, now_rows = f"{settings.catalogue.name}/{name}.csv", seeds.get(name, [])
        changes += [
            f"row {','.join(row)} is gone from {file}" for row in rows if row not in now_rows
        ]
        changes += [f"row {','.join(row)} is new in {file}" for row in now_rows if row not in rows]
    changes += _corrections(settings, manifest)
    changes += _changed_files(settings, current, manifest)
    for name, digest in basis["files"].items():
        path = candidate.folder / name
        if not path.is_file() or digest_of(path) != digest:
            changes.append(f"its file {name} is not as it was written")
    return changes


def _corrections(settings: Settings, manifest: Manifest) -> list[str]:
    """Withdrawals and retries that the candidate does not know."""
    if not settings.warehouse.exists():
        return []
    warehouse = Warehouse.open_read_only(settings.warehouse)
    try:
        withdrawn: dict[FileKey, str] = {
            (feed, file): path
            for feed, file, path in warehouse.rows(
                "select feed, source_file_id, path from ops.loaded_files"
                " where quarantine_reason is not null"
            )
        }
        retries = {
            (feed, file, floor, tuple(lines))
            for feed, file, floor, lines in warehouse.rows(
                "select feed, source_file_id, settlement_floor, line_numbers from ops.retries"
            )
        }
    finally:
        warehouse.con.close()
    known = {load.key for load in manifest.loads if load.quarantine_reason is not None}
    known_retries = {
        (*load.key, retry.settlement_floor, retry.line_numbers)
        for load in manifest.loads
        for retry in load.retries
    }
    changes = [f"{path} was withdrawn since" for key, path in withdrawn.items() if key not in known]
    if retries - known_retries:
        changes.append("rejected lines were read again since")
    return changes


def _changed_files(
    settings: Settings, current: Manifest | None, manifest: Manifest
) -> Iterable[str]:
    """The files that the candidate loaded and that do not lie in the landing folder as they did."""
    known = current.loads_by_key if current else {}
    own_shapes = load_shapes(settings.shapes)
    shapes = {name: shape.sha256 for name, shape in own_shapes.items()}
    names = shape_names(own_shapes) | {load.format for load in manifest.loads}
    landing = list_landing(settings.landing, names, load_vars(settings).zone)
    files = {file.name: file for file in landing.files}
    for load in manifest.loads:
        if load.key in known or load.quarantine_reason is not None:
            continue
        if load.feed == "call_logs" and shapes.get(load.format, load.shape_sha256) != (
            load.shape_sha256
        ):
            yield f"shape {load.format} is another"
        file = files.get(load.path)
        if file is None:
            yield f"{load.path} is no longer there"
        elif file.digest() != load.sha256:
            yield f"{load.path} has other bytes"


def _built_through(settings: Settings) -> date | None:
    """The last date that the warehouse has, None if there is none."""
    if not settings.warehouse.exists():
        return None
    warehouse = Warehouse.open_read_only(settings.warehouse)
    try:
        return warehouse.built_through
    finally:
        warehouse.con.close()


def _move_away(settings: Settings, manifest: Manifest) -> Path | None:
    """Move the warehouse aside if it loaded files that are settled with what is sealed now, and are
    not in it. The next run makes it anew, and they get later floors."""
    layout = Layout(settings.warehouse)
    if not layout.database.exists():
        return None
    warehouse = Warehouse.open_read_only(layout.database)
    try:
        loaded = warehouse.rows(
            "select feed, source_file_id from ops.loaded_files where settlement_floor <= ?",
            [manifest.through],
        )
    finally:
        warehouse.con.close()
    if set(loaded) <= manifest.loads_by_key.keys():
        return None
    aside = layout.replaced(manifest.run_id)
    aside.mkdir()
    for path in (layout.database, layout.log, layout.files):
        if path.exists():
            path.rename(aside / path.name)
    return aside
