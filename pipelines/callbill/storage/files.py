"""Files that are written once: how to share them and make them durable."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def link_or_copy(source: Path | str, target: Path | str) -> None:
    """Give a file that is never written again a second name, or a copy where links are not
    possible."""
    try:
        os.link(source, target)
    except OSError:
        # The target is on another file system, or on one without hard links.
        shutil.copyfile(source, target)


def sync_file(path: Path) -> None:
    """Make a file's content survive a loss of power."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
