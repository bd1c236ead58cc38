"""How a run and its tasks hand each other files.

Either both see the folder of the warehouse's files. Or there is a place in a store that has files
under the same names: the run puts what tasks need, fetches what they wrote, and no folder is
shared. The run's machine has all files in its folder in either case, so what the store has lost is
put there again.

Each attempt of a task has a token in the names of what it writes. So a name has one content for
ever, also if a scheduler does a task twice.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from uuid import uuid4

from callbill.base.errors import CallbillError
from callbill.base.places import is_in_store, shown
from callbill.base.settings import Settings
from callbill.storage.folder import digest_of
from callbill.storage.objects import delete, fetch, objects_below, put
from callbill.warehouse.layout import FOLDERS_OF_TASKS, Layout

WHAT_WORKERS_NEED = (
    "workers need the folders of this machine, or CALLBILL_FILES names a place in a store"
)

_OWN_PREFIX = "each warehouse needs a prefix of its own (CALLBILL_FILES)"

# So many objects travel at the same time.
_AT_ONCE = 8
_Item = TypeVar("_Item")

# Files that a task wrote: by the name that they should have, relative to `Exchange.root`, where
# each lies, likewise, its bytes, and if it went by way of a store its SHA-256. In a shared folder
# the file itself is taken, and nobody reads it for that.
Handed = Mapping[str, tuple[str, int, str | None]]


class Exchange:
    """The run's side."""

    def __init__(self, settings: Settings) -> None:
        self._folder = Layout(settings.warehouse).files
        self._place = settings.files
        # What the store has, by name: the bytes. None as long as nobody asked.
        self._there: dict[str, int] | None = None

    @property
    def root(self) -> Path:
        """Where tasks find the files."""
        return self._place or self._folder

    def name_of(self, path: Path) -> str:
        """The name of one of the warehouse's files, relative to `root`."""
        return path.relative_to(self._folder).as_posix()

    def give(self, names: Iterable[str]) -> dict[str, int]:
        """Make sure that tasks find these files. The result has the bytes of each, which a task
        holds what it finds against (`Workplace.at_hand`). One that is gone is left for it to miss.

        Raises CallbillError if the store does not answer.
        """
        sizes = {}
        for name in sorted(set(names)):
            with suppress(FileNotFoundError):
                sizes[name] = (self._folder / name).stat().st_size
        if self._place is None:
            return sizes
        place = self._place
        if self._there is None:
            self._there = {found.name: found.size for found in objects_below(place)}
        missing = [name for name, size in sizes.items() if self._there.get(name) != size]
        _at_once(lambda name: put(place / name, self._folder / name), missing)
        return sizes

    def take(self, handed: Handed, targets: Mapping[str, Path] | None = None) -> None:
        """Move files that a task handed over to where their names say, or to these targets.

        Raises CallbillError if one is not there, or is not as its task wrote it.
        """

        def take(name: str) -> None:
            where, size, sha256 = handed[name]
            target = targets[name] if targets else self._folder / name
            path = self.root / where
            came = sha256
            if is_in_store(path):
                with suppress(FileNotFoundError):
                    came = fetch(path, target)
            elif path.is_file() and path != target:
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
            is_ = target.stat().st_size if target.is_file() else None
            if is_ != size:
                raise CallbillError(
                    f"a worker wrote {shown(path)}, which is not here"
                    + (f" as it wrote it ({is_} bytes instead of {size})" if is_ else "")
                    + f": {_OWN_PREFIX if is_in_store(path) else WHAT_WORKERS_NEED}"
                    + "; nothing of it was kept"
                )
            if came != sha256:
                raise CallbillError(
                    f"{shown(path)} is not what a worker wrote there (SHA-256); nothing of it was "
                    "kept, run again"
                )

        _at_once(take, list(handed))

    def clear(self) -> None:
        """Remove from the store what runs left there and this machine does not have. Only a run may
        do so, while it holds the lock. Raises CallbillError if the store does not answer."""
        if self._place is None:
            return
        for folder in FOLDERS_OF_TASKS:
            names = [f"{folder}/{found.name}" for found in objects_below(self._place / folder)]
            delete([self._place / n for n in names if not (self._folder / n).is_file()])

    def remove(self, folder: str) -> None:
        """Remove a folder that tasks wrote to, here and in the store."""
        path = self._folder / folder
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):  # there are others in it
            path.parent.rmdir()
        if self._place is not None:
            place = self._place / folder
            delete([place / found.name for found in objects_below(place)])


class Workplace:
    """A task's side: a folder of its own, the files that it was given, and those that it hands
    over."""

    def __init__(self, root: Path, folder: Path, token: str) -> None:
        self._root = root
        self.folder = folder
        self.token = token

    def at_hand(self, names: Iterable[str], sizes: Mapping[str, int]) -> dict[str, Path]:
        """Paths to read files from, by name. Raises CallbillError if one is not there, or has not
        the bytes that `sizes` says."""
        names = list(dict.fromkeys(names))
        if is_in_store(self._root):
            paths = {name: self.folder / "given" / name for name in names}
        else:
            paths = {name: self._root / name for name in names}

        def get(name: str) -> None:
            if is_in_store(self._root):
                try:
                    fetch(self._root / name, paths[name])
                except FileNotFoundError as error:
                    raise CallbillError(f"{error}, although this task was given it") from error
            try:
                size = paths[name].stat().st_size
            except OSError as error:
                raise CallbillError(
                    f"this worker does not see {paths[name]}: {error.strerror}"
                ) from error
            if size != sizes.get(name, size):
                raise CallbillError(
                    f"{self._root / name} has {size} bytes here, its writer wrote {sizes[name]}"
                )

        _at_once(get, names)
        return paths

    def hand_over(self, files: Mapping[Path, str]) -> Handed:
        """Have the run find files of this folder, each under a name relative to `root`. Where a
        folder is shared, they stay where they are until the run takes them."""
        if is_in_store(self._root):
            _at_once(lambda path: put(self._root / files[path], path), list(files))
            return {
                name: (name, path.stat().st_size, digest_of(path)) for path, name in files.items()
            }
        return {
            name: (path.relative_to(self._root).as_posix(), path.stat().st_size, None)
            for path, name in files.items()
        }


@contextmanager
def workplace(root: str, name: str) -> Iterator[Workplace]:
    """A folder for an attempt of a task: below the warehouse's files, which the run removes, or if
    those lie in a store a temporary one."""
    token = uuid4().hex[:12]
    if is_in_store(Path(root)):
        with TemporaryDirectory(prefix="callbill-") as temporary:
            yield Workplace(Path(root), Path(temporary), token)
        return
    folder = Path(root) / f"{name}-{token}"
    folder.mkdir(parents=True)
    try:
        yield Workplace(Path(root), folder, token)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _at_once(act: Callable[[_Item], object], items: Sequence[_Item]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(act, items))
