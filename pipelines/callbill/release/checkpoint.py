"""A checkpoint: a copy of the warehouse, sealed through a date, that stands for the landing files
that were archived.

published/checkpoints/<last sealed date>/
    warehouse.duckdb           the database
    warehouse.duckdb.files/    the Parquet files, linked where links are possible
    checkpoint.json            the files' hashes, and the landing files that were archived

A checkpoint holds what was read of the archived files. Where they are away a warehouse is made from
it, and its dates are not computed again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from callbill.base.errors import UsageError
from callbill.release.release import Published
from callbill.storage.files import link_or_copy, sync_file, sync_folder
from callbill.storage.folder import digest_of
from callbill.warehouse.layout import CALL_STATES, CALLS, Layout
from callbill.warehouse.loads import FileKey

_DATABASE = "warehouse.duckdb"
_INDEX = "checkpoint.json"


@dataclass(frozen=True)
class ArchivedFile:
    """A landing file that was archived, and what was read of it. `moved_to` is the folder that it
    was moved to, None if it was only named."""

    feed: str
    source_file_id: str
    path: str
    size_bytes: int
    lines_read: int
    records_accepted: int
    moved_to: str | None = None

    @property
    def key(self) -> FileKey:
        return self.feed, self.source_file_id


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is there. `files` has the SHA-256 of each file, by its path in `folder`."""

    folder: Path
    through: date
    run_id: str
    buckets: int
    files: dict[str, str] = field(repr=False)
    archived: list[ArchivedFile] = field(repr=False)

    @property
    def layout(self) -> Layout:
        return Layout(self.folder / _DATABASE)

    @cached_property
    def archived_by_key(self) -> dict[FileKey, ArchivedFile]:
        return {file.key: file for file in self.archived}

    @property
    def records(self) -> list[Path]:
        """The files that hold the records of calls."""
        root = self.layout.raw("call_logs")
        paths = (self.folder / name for name in self.files)
        return [path for path in paths if path.is_relative_to(root)]

    def check(self, paths: Iterable[Path] | None = None) -> None:
        """Compare its files with their hashes; with `paths` only those.

        Raises UsageError if one is missing or has changed.
        """
        named = {self.folder / name: digest for name, digest in self.files.items()}
        for path in named if paths is None else paths:
            try:
                is_same = digest_of(path) == named[path]
            except OSError as error:
                raise UsageError(
                    f"the checkpoint cannot be used: {path} cannot be read ({error.strerror}); "
                    "restore it from a backup, or put the archived files back"
                ) from error
            if not is_same:
                raise UsageError(
                    f"the checkpoint cannot be used: {path} is not as it was written; restore it "
                    "from a backup, or put the archived files back"
                )

    def with_archived(self, files: Iterable[ArchivedFile]) -> Checkpoint:
        """The same checkpoint, with more files archived, or moved elsewhere."""
        by_key = self.archived_by_key | {file.key: file for file in files}
        in_order = sorted(by_key.values(), key=lambda file: (file.path, file.source_file_id))
        return replace(self, archived=in_order)

    def write_index(self) -> None:
        """Write `checkpoint.json`, in one step."""
        content = {
            "through": str(self.through),
            "run_id": self.run_id,
            "buckets": self.buckets,
            "files": self.files,
            "archived": [asdict(file) for file in self.archived],
        }
        building = self.folder / f".{_INDEX}.tmp"
        text = json.dumps(content, indent=1, ensure_ascii=False)
        building.write_text(text + "\n", encoding="utf-8", errors="surrogateescape")
        sync_file(building)
        building.replace(self.folder / _INDEX)
        sync_folder(self.folder)

    def copy_to(self, layout: Layout) -> None:
        """Make a warehouse of it. The database comes last: without it there is no warehouse.

        Raises UsageError as `check` does.
        """
        self.check()
        # What lies there without a database belongs to a warehouse that is gone.
        layout.log.unlink(missing_ok=True)
        for folder in _folders(layout):
            shutil.rmtree(folder, ignore_errors=True)
        copy_warehouse(self.layout, layout)


def _folders(layout: Layout) -> tuple[Path, ...]:
    """The folders of a warehouse's Parquet files that are never written again."""
    return layout.raw(""), layout.by_date(CALLS), layout.by_date(CALL_STATES)


def copy_warehouse(source: Layout, target: Layout) -> None:
    """Copy a warehouse that nobody writes to. What a run makes anew is left out."""
    for folder in _folders(source):
        for path in sorted(folder.rglob("*.parquet")):
            copy = target.files / path.relative_to(source.files)
            copy.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(path, copy)
    target.database.parent.mkdir(parents=True, exist_ok=True)
    building = target.database.with_name(target.database.name + ".tmp")
    shutil.copyfile(source.database, building)
    sync_file(building)
    building.replace(target.database)
    sync_folder(target.database.parent)


def checkpoint_folder(published: Published, through: date) -> Path:
    return published.checkpoints / str(through)


def unfinished(folder: Path) -> Layout:
    """The layout of a checkpoint that is being written, in a folder that no reader looks at."""
    return Layout(folder / _DATABASE)


def newest_checkpoint(published: Path) -> Checkpoint | None:
    """The newest checkpoint of a published folder, None if there is none.

    Raises UsageError if it cannot be read.
    """
    folders = [path for path in _checkpoints(published) if (path / _INDEX).exists()]
    return _read(folders[-1]) if folders else None


def archived_file(published: Path, sha256: str) -> ArchivedFile | None:
    """A call log, by the SHA-256 of its bytes, if it was archived."""
    checkpoint = newest_checkpoint(published)
    return checkpoint.archived_by_key.get(("call_logs", sha256)) if checkpoint else None


def remove_older(published: Path, checkpoint: Checkpoint) -> None:
    """Remove all other checkpoints: the newest knows what they know."""
    folder = Published(published).checkpoints
    for path in folder.iterdir():
        if path != checkpoint.folder:
            shutil.rmtree(path, ignore_errors=True)


def _checkpoints(published: Path) -> list[Path]:
    folder = Published(published).checkpoints
    return sorted(folder.glob("[0-9]*-[0-9]*-[0-9]*")) if folder.is_dir() else []


def _read(folder: Path) -> Checkpoint:
    try:
        content: dict[str, Any] = json.loads(
            (folder / _INDEX).read_text(encoding="utf-8", errors="surrogateescape")
        )
        return Checkpoint(
            folder=folder,
            through=date.fromisoformat(content["through"]),
            run_id=content["run_id"],
            buckets=content["buckets"],
            files=content["files"],
            archived=[ArchivedFile(**file) for file in content["archived"]],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / _INDEX} cannot be read: {error}") from error
