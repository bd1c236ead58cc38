"""Releases in an object store, which has neither links nor renames.

s3://bucket/prefix/
    pointers/<number>.json       the releases in order; the highest number is the current one
    releases/<run id>/           a release's files, as in a published folder, except those below
        files.json               which files it has, under which names of the store
        manifest.json            put last
    calls/settled_on=<date>/     files of calls, named by their content, shared by releases
    focus_cost_and_usage/bill_month=<date>/    likewise
    status/                      the status of the last run

A pointer is created only if there is none of its number: that is the seal, and of two runs that
publish at once one is refused. A published folder of this machine mirrors the store. Commands read
that, and nothing of the store changes it but `pull`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from callbill.base.errors import CallbillError, LockedError, UsageError
from callbill.base.places import url_of
from callbill.base.settings import Settings
from callbill.release.manifest import MANIFEST
from callbill.release.release import Published, Release, point_to_calls
from callbill.storage.folder import digest_of
from callbill.storage.objects import (
    check_conditions,
    delete,
    fetch,
    objects_below,
    put,
    put_if_absent,
    read,
)

_FILES = "files.json"
_AT_ONCE = 8
_POINTER = re.compile(r"(\d{12})\.json")


@dataclass(frozen=True)
class _File:
    """A file of a release: its name there, its name in the store, its size and SHA-256."""

    name: str
    key: str
    size: int
    sha256: str


@dataclass(frozen=True)
class _Pointer:
    number: int
    run_id: str
    # The SHA-256 of the release's files.json. None if the pointer does not say.
    files: str | None = None


def published_by(settings: Settings) -> Published:
    """What is published where the settings say. If that is a place in a store, the mirror shows its
    current release.

    Raises as `PublishedToStore.pull`.
    """
    if settings.published_store is None:
        return Published(settings.published)
    published = PublishedToStore(settings.published, settings.published_store)
    published.pull()
    return published


def release_to_read(settings: Settings) -> Release:
    """The candidate that a command was asked to read, or else the current release.

    Raises UsageError if there is none, or as `PublishedToStore.pull`.
    """
    if settings.candidate is not None:
        return Published(settings.published).find_candidate(settings.candidate)
    return published_by(settings).require_current()


def put_status(settings: Settings) -> None:
    """Copy the status of the last run to the store, if releases are published to one.

    Raises CallbillError if the store does not answer.
    """
    if settings.published_store is None:
        return
    for path in sorted(Published(settings.published).status.glob("*")):
        if path.is_file():
            put(settings.published_store / "status" / path.name, path)


@dataclass
class PublishedToStore(Published):
    """A published folder that mirrors a place in a store."""

    place: Path
    # The number of the pointer that the mirror shows.
    number: int = 0

    def pull(self) -> None:
        """Have the mirror show the current release of the store.

        Raises CallbillError if the store does not answer, UsageError if a file of the release is
        missing or is another one.
        """
        pointer = self._current_pointer()
        self.number = pointer.number if pointer else 0
        local = self.current()
        if pointer is None:
            if local is not None:
                raise UsageError(
                    f"{url_of(self.place)} has no release, and {self.folder}, its mirror, has: "
                    "name the place that it was published to with --published"
                )
            return
        if local is not None and local.run_id == pointer.run_id:
            return
        release = self.new(pointer.run_id)
        self._download(release, pointer)
        super().switch_to(release)

    def find(self, name: str) -> Release:
        """The release whose run id begins with `name`, or the current one for `current`. One that
        the mirror does not have is fetched.

        Raises as `Published.find` and `pull` do.
        """
        known = [release.run_id for release in self.releases()]
        if name != "current" and not any(run_id.startswith(name) for run_id in known):
            for pointer in self._pointers():
                if pointer.run_id.startswith(name):
                    self._download(self.new(pointer.run_id), pointer)
        return super().find(name)

    def check(self) -> None:
        """Raises CallbillError if the store would let two runs publish at once."""
        check_conditions(self.place)

    def switch_to(self, release: Release) -> None:
        """Publish a release that lies in the mirror. This seals its figures.

        Raises LockedError if another run has published since `pull`, CallbillError if the store
        does not answer. Then nothing is published.
        """
        before = {file.name: file for file in self._files_of_previous()}
        paths = sorted(path for path in release.folder.rglob("*") if path.is_file())
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            files = list(pool.map(lambda path: self._upload(release, path, before), paths))
        listed = json.dumps([vars(file) for file in files], indent=0).encode()
        folder = self._folder(release.run_id)
        put(folder / _FILES, listed)
        put(folder / MANIFEST, release.folder / MANIFEST)
        sha256 = hashlib.sha256(listed).hexdigest()
        pointer = _Pointer(self.number + 1, release.run_id, sha256)
        if not put_if_absent(self._pointer(pointer.number), json.dumps(vars(pointer)).encode()):
            raise LockedError(
                f"another run has published to {url_of(self.place)} meanwhile; nothing of this one "
                "was published, run again"
            )
        self.number += 1
        super().switch_to(release)

    def remove_old(self, keep: int) -> None:
        """Remove all but the newest `keep` releases, and the calls that only those had."""
        super().remove_old(keep)
        pointers = sorted(self._pointers(), key=lambda pointer: pointer.number)
        kept = {pointer.run_id: pointer for pointer in pointers[-keep:]}
        folder = self.place / "releases"
        by_release: dict[str, list[str]] = {}
        for found in objects_below(folder):
            by_release.setdefault(found.name.split("/")[0], []).append(found.name)
        # A release without a pointer may be one that another run is about to publish.
        old = [run_id for run_id in by_release if run_id not in kept and run_id < min(kept)]
        if not old:
            return
        needed = {file.key for pointer in kept.values() for file in self._files_of(pointer)}
        only_old = {file.key for run_id in old for file in self._files(run_id)} - needed
        # Pointers first: a reader then finds no release that is half gone.
        delete([self._pointer(p.number) for p in pointers if p.run_id in old])
        names = [folder / name for run_id in old for name in by_release[run_id]]
        shared = [self.place / key for key in sorted(only_old) if not key.startswith("releases/")]
        for paths in (names, shared):
            delete(paths)

    # --- the parts of it -----------------------------------------------------------------------

    def _folder(self, run_id: str) -> Path:
        return self.place / "releases" / run_id

    def _pointer(self, number: int) -> Path:
        return self.place / "pointers" / f"{number:012d}.json"

    def _pointers(self) -> list[_Pointer]:
        pointers = []
        for number in self._numbers():
            content = json.loads(read(self._pointer(number)) or b"{}")
            if content:
                pointers.append(_Pointer(**content))
        return pointers

    def _numbers(self) -> list[int]:
        """The numbers of the pointers that the store lists, without what else lies there."""
        names = [found.name for found in objects_below(self.place / "pointers")]
        return [int(match[1]) for name in names if (match := _POINTER.fullmatch(name))]

    def _current_pointer(self) -> _Pointer | None:
        numbers = self._numbers()
        if not numbers:
            return None
        # A list may be late: pointers follow each other without a gap.
        number = numbers[-1]
        content = read(self._pointer(number))
        while (later := read(self._pointer(number + 1))) is not None:
            number, content = number + 1, later
        if content is None:
            raise CallbillError(f"{url_of(self._pointer(number))} is listed and cannot be read")
        return _Pointer(**json.loads(content))

    def _files(self, run_id: str) -> list[_File]:
        content = read(self._folder(run_id) / _FILES)
        return [_File(**file) for file in json.loads(content or b"[]")]

    def _files_of(self, pointer: _Pointer) -> list[_File]:
        """The files of a release that was published. Raises UsageError if the store does not list
        them as its run did."""
        path = self._folder(pointer.run_id) / _FILES
        content = read(path)
        if content is None:
            raise UsageError(f"{url_of(path.parent)} is no whole release: it has no {path.name}")
        if pointer.files not in (None, hashlib.sha256(content).hexdigest()):
            raise UsageError(f"{url_of(path)} is not what was published (SHA-256): restore it")
        return [_File(**file) for file in json.loads(content)]

    def _files_of_previous(self) -> Iterable[_File]:
        previous = self.current()
        return self._files(previous.run_id) if previous is not None else ()

    def _upload(self, release: Release, path: Path, before: dict[str, _File]) -> _File:
        name = path.relative_to(release.folder).as_posix()
        size = path.stat().st_size
        known = before.get(name)
        # The release before has calls of sealed dates only, and those never change.
        if release.is_calls(path) and known is not None and known.size == size:
            return known
        sha256 = digest_of(path)
        key = f"releases/{release.run_id}/{name}"
        if release.is_of_a_date(path):
            folder = path.parent.relative_to(release.parquet).as_posix()
            key = f"{folder}/{sha256[:32]}.parquet"
            if known is not None and known.key == key:
                return known
        if name != MANIFEST:
            put(self.place / key, path)
        return _File(name, key, size, sha256)

    def _download(self, release: Release, pointer: _Pointer) -> None:
        """Copy a release into the mirror."""
        files = self._files_of(pointer)
        unfinished = release.folder.with_name(f"{release.run_id}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda file: self._get(file, unfinished / file.name), files))
        shutil.rmtree(release.folder, ignore_errors=True)
        unfinished.replace(release.folder)
        point_to_calls(release)

    def _get(self, file: _File, target: Path) -> None:
        try:
            sha256 = fetch(self.place / file.key, target)
        except FileNotFoundError as error:
            raise UsageError(f"{error}, although a release has it") from error
        if sha256 != file.sha256:
            raise UsageError(
                f"{url_of(self.place / file.key)} is not what was published (SHA-256): restore it"
            )
        target.chmod(0o444)
