"""What lies beside a candidate's files: what it was made of, and how its run went.

candidate.json  of a candidate: the release it was made on, the hashes of its files, what its run
                read, left out and warned of
sealed.json     of a release that was a candidate: how far the warehouse was when it was sealed
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from callbill.release.manifest import Manifest
from callbill.release.release import Published, Release
from callbill.storage.folder import digest_of

_BASIS = "candidate.json"
_SEALED = "sealed.json"


def write_basis(release: Release, current: Manifest | None, run: dict[str, Any]) -> None:
    """Write down what a candidate was made on, what its own files are, and how its run went: what
    `last_run.json` says of it."""
    basis = {
        "based_on": current.run_id if current else None,
        "files": {
            path.relative_to(release.folder).as_posix(): digest_of(path)
            for path in sorted(release.folder.rglob("*"))
            if path.is_file()
        },
        "run": run,
    }
    text = json.dumps(basis, indent=1, default=str, ensure_ascii=False) + "\n"
    # A path can have bytes that are not UTF-8.
    (release.folder / _BASIS).write_bytes(text.encode("utf-8", "backslashreplace"))


def read_basis(candidate: Release) -> dict[str, Any] | None:
    """What a candidate was made of, None if it was not finished."""
    return _read(candidate.folder / _BASIS)


def current_candidates(published: Published) -> list[Release]:
    """The finished candidates that were made on the current release, in order of time."""
    current = published.current()
    based_on = current.run_id if current else None
    return [
        candidate
        for candidate in published.candidates()
        if (basis := read_basis(candidate)) is not None and basis["based_on"] == based_on
    ]


def mark_sealed(candidate: Release, built_through: date | None) -> None:
    """Have a candidate be a release. `built_through` is the last date that the warehouse has."""
    (candidate.folder / _BASIS).unlink()
    mark = {"warehouse_built_through": built_through}
    (candidate.folder / _SEALED).write_text(json.dumps(mark, default=str) + "\n", "utf-8")


def is_behind_as_expected(release: Release, built_through: date | None) -> bool:
    """Whether a warehouse does not have a release because the release was sealed as a candidate,
    and not because something was lost."""
    mark = _read(release.folder / _SEALED)
    if mark is None:
        return False
    through = mark.get("warehouse_built_through")
    return (None if through is None else str(through)) == (
        None if built_through is None else str(built_through)
    )


def _read(path: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        content = json.loads(path.read_bytes())
        if isinstance(content, dict):
            return content
    return None
