"""Brings new objects of a store into a landing folder of this machine.

For those who do not land in a store. An object is fetched once, and again only if it has changed
since. It appears under its name when it is whole, with the time at which the store got it, which
decides its arrival date if no folder does.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from callbill.base.errors import CallbillError, UsageError
from callbill.base.places import SCHEME, is_in_store, shown
from callbill.storage.objects import StoredObject, describe, fetch, objects_below

# What was fetched: by place and name the size and the ETag. Hidden from the runs that list the
# landing folder.
_RECORD = ".fetched.json"
_Seen = dict[str, dict[str, list[int]]]


@dataclass
class Fetched:
    """What a fetch brought, and what it left."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    bytes: int = 0
    known: int = 0
    # Objects that cannot have their name in a folder, or were replaced meanwhile, and why.
    left: list[tuple[str, str]] = field(default_factory=list)


def fetch_new(source: Path, landing: Path, into: str, *, dry_run: bool = False) -> Fetched:
    """Fetch the new objects below a place into a folder of the landing folder.

    Raises UsageError if `source` is no place in a store or `landing` no folder, CallbillError if
    the store does not answer.
    """
    if not is_in_store(source):
        raise UsageError(f"{source} is no place in a store: write {SCHEME}//bucket/prefix")
    if is_in_store(landing):
        raise UsageError("the landing folder is a place in a store itself: runs read it there")
    folder = landing / into
    if ".." in Path(into).parts or Path(into).is_absolute():
        raise UsageError(f"--into {into} leads out of the landing folder")
    seen = _seen(landing)
    known = seen.setdefault(shown(source), {})
    fetched = Fetched()
    for found in objects_below(source):
        state = [found.size, found.etag]
        if known.get(found.name) == state:
            fetched.known += 1
            continue
        if why := _unfit(found):
            fetched.left.append((found.name, why))
            continue
        names = fetched.changed if found.name in known else fetched.new
        if not dry_run:
            if not _fetch_whole(source / found.name, found, folder / found.name):
                fetched.left.append((found.name, "changed while it was fetched: fetch again"))
                continue
            known[found.name] = state
            _write(landing, seen)
        names.append(found.name)
        fetched.bytes += found.size
    return fetched


def _unfit(found: StoredObject) -> str | None:
    parts = found.name.split("/")
    if not found.name or {"", ".", ".."} & set(parts):
        return "has a name that no file can have"
    if parts[-1].endswith((".tmp", ".part")):
        return "is still being written, by its name"
    return None


def _fetch_whole(path: Path, found: StoredObject, target: Path) -> bool:
    """Fetch an object as it was listed. Whether it was."""
    try:
        # Beside the folder's files, under a name that no run reads.
        unfinished = target.with_name(f".{target.name}.fetching")
        fetch(path, unfinished)
    except FileNotFoundError:
        return False
    now = describe(path)
    if now is None or (now.size, now.etag) != (found.size, found.etag):
        unfinished.unlink()
        return False
    if unfinished.stat().st_size != found.size:
        unfinished.unlink()
        raise CallbillError(f"{shown(path)} did not arrive whole: fetch again")
    os.utime(unfinished, ns=(found.modified_ns, found.modified_ns))
    unfinished.replace(target)
    return True


def _seen(landing: Path) -> _Seen:
    try:
        content: _Seen = json.loads((landing / _RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{landing / _RECORD} cannot be read: {error}") from error
    return content


def _write(landing: Path, seen: _Seen) -> None:
    landing.mkdir(parents=True, exist_ok=True)
    unfinished = landing / f"{_RECORD}.new"
    unfinished.write_text(json.dumps(seen), encoding="utf-8")
    unfinished.replace(landing / _RECORD)
