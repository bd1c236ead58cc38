"""Archives landing files of sealed dates: what was read of them is kept in a checkpoint.

The order makes it safe to stop at any time: the checkpoint is complete before a file is named as
archived, and a file is named before it is moved.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from callbill.base.errors import CallbillError, UsageError
from callbill.base.places import is_in_store, shown
from callbill.base.progress import Reporter
from callbill.base.settings import Settings, load_vars
from callbill.ingest.feed import raw_tables
from callbill.ingest.landing import LandingFile, list_landing
from callbill.jobs.locks import run_lock
from callbill.jobs.run import check_landing
from callbill.jobs.sealing import adopted_warehouse, check_figures_unchanged
from callbill.release.checkpoint import (
    ArchivedFile,
    Checkpoint,
    checkpoint_folder,
    copy_warehouse,
    newest_checkpoint,
    remove_older,
    unfinished,
)
from callbill.release.hashes import refresh_hashes
from callbill.release.manifest import Manifest
from callbill.release.store import published_by
from callbill.storage.files import sync_file, sync_folder
from callbill.storage.folder import digest_of
from callbill.warehouse.layout import CALLS, Layout
from callbill.warehouse.loads import FileKey
from callbill.warehouse.warehouse import Warehouse

_FEED = "call_logs"


@dataclass
class Archived:
    """What `archive` did: the files that it named, those that it moved, and those that it left in
    the landing folder, with why."""

    checkpoint: Checkpoint
    named: list[ArchivedFile] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


def archive_job(settings: Settings, before: date, to: Path | None, reporter: Reporter) -> Archived:
    """Name the call logs that arrived before a date as archived, and move them to a folder if one
    is given.

    Raises UsageError if that cannot be right: nothing is sealed, the warehouse is not at the state
    of the current release, or a folder will not do; LockedError if a run is at work.
    """
    if settings.published_store is not None:
        raise UsageError(
            "archiving needs a published folder of this machine: what stands for the files is not "
            "kept in a store; leave them where they are"
        )
    check_landing(settings)
    if to is not None:
        to = to.absolute()
        _check_target(settings, to)
    with run_lock(settings):
        current = published_by(settings).require_current("there is nothing to archive").manifest
        with reporter.step("files", before=before):
            eligible, later = _eligible(settings, current, before)
            to_move, left = _to_move(settings, current, eligible, later, before)
            if to is not None:
                _check_free(_stored(settings, to_move), to)
        if not eligible:
            raise UsageError(
                f"no call log that arrived before {before} is settled to its last record: nothing "
                "was archived"
            )
        with reporter.step("checkpoint", through=current.through):
            checkpoint = _checkpoint(settings, current)
        moves = {key for _file, key in to_move} if to is not None else set()
        named = [
            replace(file, moved_to=str(to)) if key in moves else file
            for key, file in eligible.items()
        ]
        known = checkpoint.archived_by_key
        named = [file for file in named if file.moved_to or file.key not in known]
        checkpoint = checkpoint.with_archived(named)
        checkpoint.write_index()
        remove_older(settings.published, checkpoint)
        moved = []
        if to is not None:
            with reporter.step("move", to=to):
                moved = list(_move(settings, _stored(settings, to_move), to))
    return Archived(checkpoint, named, moved, left)


def _check_target(settings: Settings, to: Path) -> None:
    if is_in_store(settings.landing) or is_in_store(to):
        raise UsageError(
            "an object store moves its objects itself: leave --to out, and the files are named as "
            "archived"
        )
    if to.exists() and not to.is_dir():
        raise UsageError(f"{to} is a file: name a folder with --to")
    landing = settings.landing.absolute()
    if to.is_relative_to(landing) or to.resolve().is_relative_to(landing.resolve()):
        raise UsageError(f"{to} is in the landing folder, where it would be read: name another")


def _eligible(
    settings: Settings, current: Manifest, before: date
) -> tuple[dict[FileKey, ArchivedFile], set[FileKey]]:
    """The loads that arrived before a date and have no record to settle, and those that have."""
    with adopted_warehouse(settings, current) as warehouse:
        check_figures_unchanged(warehouse, settings, current, load_vars(settings))
        _check_is_as_released(warehouse, current)
        rows = warehouse.rows(
            """
            select
                f.source_file_id, f.path, f.size_bytes, f.lines_read, f.records_accepted,
                greatest(f.settlement_floor, (
                    select max(r.settled_on) from raw.call_logs_loaded as r
                    where r.source_file_id = f.source_file_id
                )) <= $through or f.quarantine_reason is not null as is_settled
            from ops.loaded_files as f
            where f.feed = $feed and f.arrived_on < $before
            order by f.path
            """,
            {"feed": _FEED, "before": before, "through": current.through},
        )
    files = {
        (_FEED, source_file_id): ArchivedFile(_FEED, source_file_id, *rest)
        for source_file_id, *rest, is_settled in rows
        if is_settled
    }
    return files, {(_FEED, row[0]) for row in rows if not row[-1]}


def _check_is_as_released(warehouse: Warehouse, current: Manifest) -> None:
    """Raises UsageError unless the warehouse holds just what the current release was made from."""
    held = {
        (feed, source_file_id): reason
        for feed, source_file_id, reason in warehouse.rows(
            "select feed, source_file_id, quarantine_reason from ops.loaded_files"
        )
    }
    retries = warehouse.value("select count(*) from ops.retries")
    settled = warehouse.rows("select settle_through from ops.settlement_window")
    is_same = (
        warehouse.built_through == current.through
        and settled == [(current.through,)]
        and held == {load.key: load.quarantine_reason for load in current.loads}
        and retries == sum(len(load.retries) for load in current.loads)
    )
    if not is_same:
        raise UsageError(
            "the warehouse is not at the state of the current release: it loaded, withdrew or "
            "settled something since, or lags behind. `callbill run` first, so that it is published"
        )


def _to_move(
    settings: Settings,
    current: Manifest,
    eligible: dict[FileKey, ArchivedFile],
    later: set[FileKey],
    before: date,
) -> tuple[list[tuple[LandingFile, FileKey]], list[tuple[str, str]]]:
    """The landing files with the bytes of these loads, each with its load; and those that stay
    though they arrived before the date, with why. A .zip goes as a whole or not at all."""
    shapes = frozenset(load.format for load in current.loads)
    listing = list_landing(settings.landing, shapes, load_vars(settings).zone)
    files = [file for file in listing.files if file.feed == _FEED]
    keys: dict[str, FileKey] = {}
    # By path, which is that of the .zip for all files in it.
    stays = {
        file.path: "is in an archive with files that arrived later"
        for file in files
        if file.arrived_on >= before
    }
    for file in files:
        if file.arrived_on < before:
            key = keys[file.name] = (_FEED, file.digest() or "")
            if key in later:
                stays[file.path] = "has records that are settled later"
            elif key not in eligible:
                stays[file.path] = "is not what was loaded, or was not loaded yet"
    goes = [(file, keys[file.name]) for file in files if file.path not in stays]
    left = {
        file.path.relative_to(settings.landing).as_posix(): stays[file.path]
        for file in files
        if file.path in stays and file.arrived_on < before
    }
    return goes, sorted(left.items())


def _checkpoint(settings: Settings, current: Manifest) -> Checkpoint:
    """The checkpoint of the current release: the one that is there, or a new one, which knows what
    the one before has archived."""
    newest = newest_checkpoint(settings.published)
    if newest is not None and newest.through == current.through:
        newest.check()
        return newest
    published = published_by(settings)
    folder = checkpoint_folder(published, current.through)
    building = folder.with_name(f".{folder.name}.tmp")
    for path in (building, folder):
        shutil.rmtree(path, ignore_errors=True)
    layout = unfinished(building)
    copy_warehouse(Layout(settings.warehouse), layout)
    buckets = _check_hashes(settings, layout, current)
    files = sorted(path for path in building.rglob("*") if path.is_file())
    for path in files:
        sync_file(path)
        path.chmod(0o444)
    for inner, _folders, _names in os.walk(building):
        sync_folder(Path(inner))
    digests = {path.relative_to(building).as_posix(): digest_of(path) for path in files}
    checkpoint = Checkpoint(folder, current.through, current.run_id, buckets, digests, [])
    building.rename(folder)
    sync_folder(folder.parent)
    return checkpoint.with_archived(newest.archived if newest else [])


def _check_hashes(settings: Settings, layout: Layout, current: Manifest) -> int:
    """Hash every settlement date of a copied warehouse anew, and return its number of buckets.

    Raises CallbillError if one does not say what was sealed: nothing may stand for files that says
    otherwise.
    """
    copy = settings.model_copy(update={"warehouse": layout.database, "buckets": None})
    with closing(Warehouse.open(copy, raw_tables())) as warehouse:
        warehouse.by_date.create_view(CALLS)
        warehouse.execute("delete from ops.fingerprints")
        refresh_hashes(warehouse)
        # A warehouse that is made of it looks at all landing files anew.
        warehouse.execute("delete from ops.landing_entries")
        hashes: dict[date, str] = dict(
            warehouse.rows("select settled_on, content_hash from ops.settlement_hashes")
        )
        if hashes != current.settlement_hashes:
            raise CallbillError(
                "the warehouse does not say what was sealed: `callbill rebuild` makes a new one, "
                "and nothing was archived"
            )
        return warehouse.buckets


def _stored(settings: Settings, files: Iterable[tuple[LandingFile, FileKey]]) -> dict[Path, str]:
    """The files of the landing folder to move, each once, with the announcement beside it; and
    their names in that folder."""
    landing = settings.landing
    names: dict[Path, str] = {}
    for file, _key in files:
        names[file.path] = file.path.relative_to(landing).as_posix()
        announcement = file.path.with_name(file.path.name + ".manifest.json")
        if announcement.is_file() and not announcement.is_symlink():
            names[announcement] = announcement.relative_to(landing).as_posix()
    return names


def _check_free(names: Mapping[Path, str], to: Path) -> None:
    """Raises UsageError if the archive has another file of the name of one."""
    for path, name in names.items():
        target = to / name
        if target.exists() and (not target.is_file() or digest_of(target) != digest_of(path)):
            raise UsageError(f"{target} is another file already: name another folder with --to")


def _move(settings: Settings, names: Mapping[Path, str], to: Path) -> Iterator[str]:
    for path, name in sorted(names.items()):
        target = to / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise UsageError(
                    f"{shown(path)} cannot be moved to {target}: {error.strerror}; what was not "
                    "moved is named as archived, and may be moved by hand"
                ) from error
            _copy_over(path, target)
        sync_folder(target.parent)
        _remove_empty(path.parent, settings.landing / _FEED)
        yield name


def _copy_over(path: Path, target: Path) -> None:
    """Move a file to another file system. It is removed when its copy is there."""
    building = target.with_name(f".{target.name}.tmp")
    shutil.copy2(path, building)
    sync_file(building)
    if digest_of(building) != digest_of(path):
        raise CallbillError(f"the copy of {path} is not what it was: it stays where it is")
    building.replace(target)
    path.unlink()


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and folder.is_relative_to(root):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
