"""Moves a warehouse aside while a rebuild makes another, and back if that does not come to its end.

Only the old one knows what was withdrawn or read again since the last release. So a rebuild that
was killed is undone by whoever takes the lock next.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from callbill.warehouse.layout import Layout


@contextmanager
def moved_aside(layout: Layout, run_id: str) -> Iterator[bool]:
    """Have the warehouse in a folder beside it, and back if this block fails. Afterwards it is kept
    under the name of the run. Whether there was one is the result."""
    is_warehouse = layout.database.exists()
    # Files without a database tell nothing: they are kept, and nobody has to find them.
    aside = layout.replacing if is_warehouse else layout.replaced(run_id)
    parts = [path for path in reversed(_parts(layout)) if path.exists()]
    if parts:
        aside.mkdir()
    for path in parts:
        path.rename(aside / path.name)
    try:
        yield bool(parts)
    except BaseException:
        _remove(layout)
        _move_back(layout, aside)
        raise
    if is_warehouse:
        aside.rename(layout.replaced(run_id))


def put_back(layout: Layout) -> None:
    """Put a warehouse back that a rebuild moved aside, and was killed before it replaced it."""
    if not layout.replacing.exists():
        return
    # The database goes last and comes back first. If it is away, what is here is the other one.
    if (layout.replacing / layout.database.name).exists():
        _remove(layout)
    _move_back(layout, layout.replacing)


def _parts(layout: Layout) -> tuple[Path, ...]:
    return layout.database, layout.log, layout.files


def _remove(layout: Layout) -> None:
    layout.database.unlink(missing_ok=True)
    layout.log.unlink(missing_ok=True)
    shutil.rmtree(layout.files, ignore_errors=True)


def _move_back(layout: Layout, aside: Path) -> None:
    for path in _parts(layout):
        if (aside / path.name).exists():
            (aside / path.name).rename(path)
    if aside.exists():
        aside.rmdir()
